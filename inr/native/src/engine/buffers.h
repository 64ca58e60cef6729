// Where the buffers of a tile lie: buffers whose lifetimes do not meet share memory, so that a tile stays in the cache.
#pragma once

#include <cstdint>
#include <vector>

namespace inr {

class BufferPlan {
public:
    // A buffer of so many floats, not yet alive; returns its number.
    int add(int64_t size);
    // It is written or read at this time.
    void use(int buffer, int64_t time);
    // Both are one buffer from now on.
    void merge(int one, int other);
    // Chooses places; returns the floats needed in all.
    int64_t place();
    int64_t offset(int buffer) const;

private:
    struct Buffer {
        int64_t size, first, last, offset;
        int same_as;
    };
    int root(int buffer) const;
    std::vector<Buffer> buffers_;
};

}  // namespace inr
