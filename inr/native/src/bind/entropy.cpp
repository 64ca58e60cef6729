// The entropy coder as Python classes. Arguments are checked here, with errors that name them.
#include "bind/coders.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <memory>
#include <string>
#include <utility>

namespace nb = nanobind;

namespace inr::entropy {
namespace {

using Array = nb::ndarray<nb::ro, nb::device::cpu>;
template <class T>
using Decoded = nb::ndarray<nb::numpy, T, nb::ndim<1>>;

std::string text_of(const nb::object& value) {
    const nb::str text{nb::handle(value)};
    const char* characters = text.c_str();
    if (characters == nullptr) throw nb::python_error();
    return characters;
}

std::string type_of(nb::handle value) { return text_of(value.type().attr("__name__")); }

std::string described(nb::handle value) {
    if (!nb::hasattr(value, "dtype") || !nb::hasattr(value, "shape")) return type_of(value);
    return text_of(value.attr("dtype")) + " of shape " + text_of(value.attr("shape"));
}

// The array's memory lives as long as what is returned.
template <class T>
Array checked(nb::handle value, const char* name, const char* type) {
    Array array;
    const bool found = nb::try_cast(value, array, false) && array.is_valid();
    if (!found || array.dtype() != nb::dtype<T>() || array.ndim() != 1) {
        throw SpecError(std::string("entropy coder: ") + name + " must be an array of " + type +
                        " with one axis; got " + described(value));
    }
    const bool aligned = reinterpret_cast<uintptr_t>(array.data()) % alignof(T) == 0;
    if (!aligned || (array.shape(0) > 1 && array.stride(0) != 1)) {
        throw SpecError(std::string("entropy coder: ") + name + " must be contiguous and aligned in memory");
    }
    return array;
}

Array integers(nb::handle value, const char* name) { return checked<int64_t>(value, name, "int64"); }

Array probabilities_of(nb::handle value) { return checked<uint16_t>(value, "probabilities", "uint16"); }

const int64_t* entries(const Array& array) { return static_cast<const int64_t*>(array.data()); }

// Everything with __index__ is an integer; for the rest Python raises a TypeError of its own.
size_t checked_count(nb::handle value) {
    int overflow = 0;
    const long long count = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
    if (PyErr_Occurred() != nullptr) throw nb::python_error();
    if (overflow != 0 || count < 0) throw SpecError("entropy coder: count must be within 0..2^63 - 1");
    return static_cast<size_t>(count);
}

// Memory for symbols that the payload can hold; its pages are only used once symbols are written to them.
template <class T>
std::unique_ptr<T[]> room(size_t count) {
    return std::unique_ptr<T[]>(new T[count]);
}

template <class T>
Decoded<T> handed_over(std::unique_ptr<T[]> values, size_t count) {
    T* data = values.get();
    nb::capsule owner(data, [](void* memory) noexcept { delete[] static_cast<T*>(memory); });
    values.release();
    return Decoded<T>(data, {count}, owner);
}

void encode_bits(LockedEncoder& self, nb::handle bits, nb::handle probabilities) {
    const Array given = checked<uint8_t>(bits, "bits", "uint8"), at = probabilities_of(probabilities);
    if (given.shape(0) != at.shape(0)) {
        throw SpecError("entropy coder: bits and probabilities must have the same length; got " +
                        std::to_string(given.shape(0)) + " and " + std::to_string(at.shape(0)));
    }
    without_gil(self, [&](Encoder& coder) {
        coder.encode_bits(static_cast<const uint8_t*>(given.data()), static_cast<const uint16_t*>(at.data()),
                          given.shape(0));
    });
}

void encode_integers(LockedEncoder& self, nb::handle values) {
    const Array array = integers(values, "values");
    without_gil(self, [&](Encoder& coder) { coder.encode_integers(entries(array), array.shape(0)); });
}

void encode_refinements(LockedEncoder& self, nb::handle coarse, nb::handle fine) {
    const Array known = integers(coarse, "coarse"), values = integers(fine, "fine");
    if (known.shape(0) != values.shape(0)) {
        throw SpecError("entropy coder: coarse and fine must have the same length; got " +
                        std::to_string(known.shape(0)) + " and " + std::to_string(values.shape(0)));
    }
    without_gil(self,
                [&](Encoder& coder) { coder.encode_refinements(entries(known), entries(values), values.shape(0)); });
}

nb::bytes finish_encoder(LockedEncoder& self) {
    const std::vector<uint8_t> out = without_gil(self, [](Encoder& coder) { return coder.finish(); });
    return nb::bytes(out.data(), out.size());
}

void init_decoder(LockedDecoder* self, nb::handle data) {
    if (!nb::isinstance<nb::bytes>(data)) throw SpecError("entropy coder: data must be bytes; got " + type_of(data));
    new (self) LockedDecoder(nb::borrow<nb::bytes>(data));
}

Decoded<uint8_t> decode_bits(LockedDecoder& self, nb::handle probabilities) {
    const Array at = probabilities_of(probabilities);
    const size_t number = at.shape(0);
    std::unique_ptr<uint8_t[]> bits = room<uint8_t>(number);
    without_gil(
        self, [&](Decoder& coder) { coder.decode_bits(static_cast<const uint16_t*>(at.data()), bits.get(), number); });
    return handed_over(std::move(bits), number);
}

Decoded<int64_t> decode_integers(LockedDecoder& self, nb::handle count) {
    const size_t number = checked_count(count);
    self.coder.check_holds(number);
    std::unique_ptr<int64_t[]> values = room<int64_t>(number);
    without_gil(self, [&](Decoder& coder) { coder.decode_integers(values.get(), number); });
    return handed_over(std::move(values), number);
}

Decoded<int64_t> decode_refinements(LockedDecoder& self, nb::handle coarse) {
    const Array known = integers(coarse, "coarse");
    const size_t number = known.shape(0);
    self.coder.check_holds(number);
    std::unique_ptr<int64_t[]> values = room<int64_t>(number);
    without_gil(self, [&](Decoder& coder) { coder.decode_refinements(entries(known), values.get(), number); });
    return handed_over(std::move(values), number);
}

void finish_decoder(LockedDecoder& self) {
    without_gil(self, [](Decoder& coder) { coder.finish(); });
}

// Sets the class of inr.errors with this name, so that both twins raise the same.
void set_error(const char* name, const char* message) {
    PyObject* module = PyImport_ImportModule("inr.errors");
    PyObject* type = module == nullptr ? nullptr : PyObject_GetAttrString(module, name);
    if (type != nullptr) PyErr_SetString(type, message);
    Py_XDECREF(type);
    Py_XDECREF(module);
}

void translate(const std::exception_ptr& error, void*) {
    try {
        std::rethrow_exception(error);
    } catch (const SpecError& found) {
        set_error("SpecError", found.what());
    } catch (const CorruptStream& found) {
        set_error("CorruptStreamError", found.what());
    }
}

}  // namespace
}  // namespace inr::entropy

void bind_entropy(nb::module_& m) {
    using namespace inr::entropy;
    nb::register_exception_translator(translate);
    nb::class_<LockedEncoder>(m, "RangeEncoder", "Turns spans of bits and integers into bytes.")
        .def(nb::init<>())
        .def("encode_bits", encode_bits, nb::arg("bits").none(), nb::arg("probabilities").none())
        .def("encode_integers", encode_integers, nb::arg("values").none())
        .def("encode_refinements", encode_refinements, nb::arg("coarse").none(), nb::arg("fine").none())
        .def("finish", finish_encoder);
    nb::class_<LockedDecoder>(m, "RangeDecoder", "Turns bytes back into spans of bits and integers.")
        .def("__init__", init_decoder, nb::arg("data").none())
        .def("decode_bits", decode_bits, nb::arg("probabilities").none())
        .def("decode_integers", decode_integers, nb::arg("count").none())
        .def("decode_refinements", decode_refinements, nb::arg("coarse").none())
        .def("finish", finish_decoder);
}
