// Values at single places: every one has a block of places around it, which its 3x3 layers shrink to the middle.
#include <algorithm>
#include <vector>

#include "latent/share.h"
#include "latent/synthesis.h"

namespace inr::latent {
namespace {

// Some points side by side; a value of all of them at one place of their blocks is a run of kStrip numbers.
class Group {
public:
    Group(const Synthesis& synthesis, const Maps& maps, const Places& rows, const Places& columns)
        : synthesis_(synthesis),
          maps_(maps),
          rows_(rows),
          columns_(columns),
          kernels_(latent_kernels()),
          channels_(synthesis.channels),
          side_(1 + 2 * static_cast<int64_t>(synthesis.residuals.size())),
          inputs_(static_cast<size_t>(maps.count * run(side_) + kSpare)),
          bypass_(static_cast<size_t>(channels_ * kStrip + kSpare)),
          patch_(static_cast<size_t>(side_ * (side_ + 3))),
          pointers_(static_cast<size_t>(std::max(9 * channels_, maps.count))) {
        for (int64_t side = side_; side > 0; side -= 2)
            values_.emplace_back(static_cast<size_t>(channels_ * run(side) + kSpare));
    }

    void show(int64_t first, int64_t count, float* out) {
        for (int64_t k = 0; k < maps_.count; ++k)
            for (int64_t i = 0; i < count; ++i) interpolate(k, first + i, inputs_.data() + k * run(side_) + i);
        kernels_.mix(synthesis_.mixer, inputs_.data(), values_[0].data(), run(side_), run(side_));
        const int64_t middle = side_ * side_ / 2 * kStrip;
        for (int64_t k = 0; k < maps_.count; ++k)
            pointers_[static_cast<size_t>(k)] = inputs_.data() + k * run(side_) + middle;
        kernels_.multiply(synthesis_.bypass, pointers_.data(), bypass_.data(), kStrip, kStrip, false);
        for (size_t layer = 0; layer < synthesis_.residuals.size(); ++layer) shrink(layer);
        const float* const values = values_.back().data();
        for (int64_t i = 0; i < count; ++i)
            for (int64_t c = 0; c < channels_; ++c)
                out[(first + i) * channels_ + c] = cut(values[c * kStrip + i] + bypass_[c * kStrip + i]);
    }

private:
    // Numbers of one channel of blocks of this side.
    static int64_t run(int64_t side) { return side * side * kStrip; }

    // A map at all places of the block of a point, kStrip apart. All have the same weights.
    void interpolate(int64_t map, int64_t point, float* to) {
        const int64_t reach = side_ / 2, across = side_ + 3;
        const float* const data = maps_.data + map * maps_.height * maps_.width;
        const float* const down = rows_.factors.data() + 4 * point;
        const float* const right = columns_.factors.data() + 4 * point;
        const int64_t top = rows_.base[static_cast<size_t>(point)] - reach - 1;
        const int64_t left = columns_.base[static_cast<size_t>(point)] - reach - 1;
        for (int64_t i = 0; i < side_; ++i) {
            const float* source[4];
            for (int64_t tap = 0; tap < 4; ++tap)
                source[tap] = data + std::clamp<int64_t>(top + i + tap, 0, maps_.height - 1) * maps_.width;
            for (int64_t j = 0; j < across; ++j) {
                const int64_t column = std::clamp<int64_t>(left + j, 0, maps_.width - 1);
                patch_[i * across + j] = source[0][column] * down[0] + source[1][column] * down[1] +
                                         source[2][column] * down[2] + source[3][column] * down[3];
            }
        }
        for (int64_t i = 0; i < side_; ++i)
            for (int64_t j = 0; j < side_; ++j) {
                const float* const x = patch_.data() + i * across + j;
                to[(i * side_ + j) * kStrip] = x[0] * right[0] + x[1] * right[1] + x[2] * right[2] + x[3] * right[3];
            }
    }

    void shrink(size_t layer) {
        const int64_t before = side_ - 2 * static_cast<int64_t>(layer), after = before - 2;
        const bool last = layer + 1 == synthesis_.residuals.size();
        const float* const x = values_[layer].data();
        for (int64_t i = 0; i < after; ++i)
            for (int64_t j = 0; j < after; ++j) {
                for (int64_t k = 0; k < 9 * channels_; ++k) {
                    const int64_t place = (i + k % 9 / 3) * before + j + k % 3;
                    pointers_[static_cast<size_t>(k)] = x + k / 9 * run(before) + place * kStrip;
                }
                kernels_.multiply(synthesis_.residuals[layer], pointers_.data(),
                                  values_[layer + 1].data() + (i * after + j) * kStrip, run(after), kStrip, !last);
            }
    }

    const Synthesis& synthesis_;
    const Maps& maps_;
    const Places &rows_, &columns_;
    const LatentKernels& kernels_;
    int64_t channels_, side_;
    std::vector<float> inputs_, bypass_, patch_;
    std::vector<const float*> pointers_;
    std::vector<std::vector<float>> values_;  // of each layer: (channels, side, side, kStrip)
};

}  // namespace

void show_points(const Synthesis& synthesis, const Maps& maps, const Places& rows, const Places& columns, float* out,
                 int threads) {
    const int64_t n = static_cast<int64_t>(rows.base.size()), pieces = (n + kStrip - 1) / kStrip;
    const int used = workers(pieces, threads);
    std::vector<Group> own;
    own.reserve(static_cast<size_t>(used));
    for (int worker = 0; worker < used; ++worker) own.emplace_back(synthesis, maps, rows, columns);
    share(pieces, used, [&](int worker, int64_t piece) {
        const int64_t first = piece * kStrip;
        own[static_cast<size_t>(worker)].show(first, std::min(kStrip, n - first), out);
    });
}

}  // namespace inr::latent
