// Large aligned arrays of floats, on huge pages where the system has them.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace inr {

class Floats {
public:
    Floats() = default;
    explicit Floats(int64_t count) { resize(count); }
    Floats(const Floats&) = delete;
    Floats& operator=(const Floats&) = delete;
    Floats(Floats&& other) noexcept : data_(other.data_), size_(other.size_) {
        other.data_ = nullptr;
        other.size_ = 0;
    }
    ~Floats() { std::free(data_); }

    // Makes room; what was there is lost, and the new numbers are zero.
    void resize(int64_t count) {
        float* const before = data_;
        data_ = nullptr;  // first: a fork meanwhile leaves the child a place that nobody frees twice
        size_ = 0;
        std::free(before);
        const size_t page = size_t{1} << 21;
        const size_t bytes = static_cast<size_t>(count) * sizeof(float);
        const size_t unit = bytes >= page ? page : 64;
        const size_t whole = (bytes + unit - 1) / unit * unit;
        if (whole == 0) return;
        data_ = static_cast<float*>(std::aligned_alloc(unit, whole));
        if (data_ == nullptr) throw std::bad_alloc();
#if defined(__linux__)
        if (unit == page) madvise(data_, whole, MADV_HUGEPAGE);
#endif
        std::memset(data_, 0, whole);
        size_ = count;
    }

    float* data() { return data_; }
    int64_t size() const { return size_; }

private:
    float* data_ = nullptr;
    int64_t size_ = 0;
};

}  // namespace inr
