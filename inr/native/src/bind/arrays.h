// Arrays from Python, checked by name: what does not fit becomes one line of a TypeError or ValueError.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <string>
#include <vector>

namespace inr {

namespace nb = nanobind;

using Given = nb::ndarray<nb::ro, nb::device::cpu>;
using Writable = nb::ndarray<nb::device::cpu>;

constexpr int64_t kAny = -1;

inline std::string type_name(nb::dlpack::dtype type) {
    using nb::dlpack::dtype_code;
    const char* kind = "type";
    switch (static_cast<dtype_code>(type.code)) {
        case dtype_code::Int: kind = "int"; break;
        case dtype_code::UInt: kind = "uint"; break;
        case dtype_code::Float: kind = "float"; break;
        case dtype_code::Complex: kind = "complex"; break;
        case dtype_code::Bool: return "bool";
        default: break;
    }
    return kind + std::to_string(type.bits);
}

template <typename Array>
std::string shape_text(const Array& array) {
    std::string text = "(";
    for (size_t i = 0; i < array.ndim(); ++i) text += (i ? ", " : "") + std::to_string(array.shape(i));
    return text + (array.ndim() == 1 ? ",)" : ")");
}

// The data of an array of type T, C-contiguous, of this shape (kAny: any length).
template <typename T, typename Array>
auto checked(const Array& array, const char* name, std::initializer_list<int64_t> shape) {
    if (array.dtype() != nb::dtype<T>())
        throw nb::type_error(
            (std::string(name) + ": expected " + type_name(nb::dtype<T>()) + "; got " + type_name(array.dtype()))
                .c_str());
    bool fits = array.ndim() == shape.size();
    std::string wanted = "(";
    size_t i = 0;
    for (const int64_t n : shape) {
        fits = fits && (n == kAny || static_cast<int64_t>(array.shape(i)) == n);
        wanted += (i ? ", " : "") + (n == kAny ? std::string("any") : std::to_string(n));
        ++i;
    }
    if (!fits)
        throw nb::value_error(
            (std::string(name) + ": expected shape " + wanted + (i == 1 ? ",)" : ")") + "; got " + shape_text(array))
                .c_str());
    int64_t step = 1;
    const bool empty = array.size() == 0;
    for (size_t k = array.ndim(); k-- > 0;) {
        if (!empty && array.shape(k) > 1 && array.stride(k) != step)
            throw nb::value_error(
                (std::string(name) + ": expected a C-contiguous array; got strides that skip").c_str());
        step *= static_cast<int64_t>(array.shape(k));
    }
    using Pointer = std::conditional_t<std::is_same_v<Array, Given>, const T*, T*>;
    return static_cast<Pointer>(static_cast<Pointer>(array.data()));
}

}  // namespace inr
