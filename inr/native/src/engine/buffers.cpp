#include "engine/buffers.h"

#include <algorithm>
#include <numeric>

#include "engine/program.h"

namespace inr {

int BufferPlan::add(int64_t size) {
    const int number = static_cast<int>(buffers_.size());
    buffers_.push_back({round_up(size, 16), INT64_MAX, -1, 0, number});
    return number;
}

void BufferPlan::use(int buffer, int64_t time) {
    Buffer& b = buffers_[static_cast<size_t>(root(buffer))];
    b.first = std::min(b.first, time);
    b.last = std::max(b.last, time);
}

void BufferPlan::merge(int one, int other) {
    const int a = root(one), b = root(other);
    if (a == b) return;
    Buffer &to = buffers_[static_cast<size_t>(a)], &from = buffers_[static_cast<size_t>(b)];
    to.size = std::max(to.size, from.size);
    to.first = std::min(to.first, from.first);
    to.last = std::max(to.last, from.last);
    from.same_as = a;
}

int BufferPlan::root(int buffer) const {
    while (buffers_[static_cast<size_t>(buffer)].same_as != buffer)
        buffer = buffers_[static_cast<size_t>(buffer)].same_as;
    return buffer;
}

int64_t BufferPlan::offset(int buffer) const { return buffers_[static_cast<size_t>(root(buffer))].offset; }

int64_t BufferPlan::place() {
    std::vector<int> order;
    for (int i = 0; i < static_cast<int>(buffers_.size()); ++i)
        if (root(i) == i && buffers_[static_cast<size_t>(i)].last >= 0) order.push_back(i);
    // Large ones first: small ones fill what is left between them.
    std::stable_sort(order.begin(), order.end(), [this](int a, int b) {
        return buffers_[static_cast<size_t>(a)].size > buffers_[static_cast<size_t>(b)].size;
    });
    std::vector<int> placed;
    int64_t total = 0;
    for (const int number : order) {
        Buffer& buffer = buffers_[static_cast<size_t>(number)];
        std::vector<const Buffer*> neighbours;
        for (const int other : placed) {
            const Buffer& b = buffers_[static_cast<size_t>(other)];
            if (b.first <= buffer.last && buffer.first <= b.last) neighbours.push_back(&b);
        }
        std::sort(neighbours.begin(), neighbours.end(),
                  [](const Buffer* a, const Buffer* b) { return a->offset < b->offset; });
        int64_t at = 0;
        for (const Buffer* b : neighbours) {
            if (at + buffer.size <= b->offset) break;
            at = std::max(at, b->offset + b->size);
        }
        buffer.offset = at;
        total = std::max(total, at + buffer.size);
        placed.push_back(number);
    }
    return total;
}

}  // namespace inr
