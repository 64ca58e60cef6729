#include "latent/synthesis.h"

#include <algorithm>
#include <cstring>

#include "latent/share.h"

namespace inr::latent {
namespace {

constexpr int64_t kBandRows = 64;
constexpr int32_t kSourceRows = 8;
constexpr int64_t kBandPlaces = 64 * 768;  // results of a band: some hundred kilobytes

// A row with room for what filters read beyond its ends.
class Row {
public:
    explicit Row(int64_t n) : samples_(static_cast<size_t>(kReach + n + kReach + 2 * kSpare)) {}

    float* data() { return samples_.data() + kReach; }
    // Repeats the first and the last of n samples.
    void extend(int64_t n) {
        float* const x = data();
        std::fill_n(x - kReach, kReach, x[0]);
        std::fill_n(x + n, kReach, x[n - 1]);
    }

private:
    std::vector<float> samples_;
};

struct LevelScratch {
    explicit LevelScratch(int64_t width) : across(width), result(width) {}
    Row across, result;
};

// A row of `n` samples that are side by side with others, which must not be touched.
template <typename Kernel>
void filter_row(LevelScratch& scratch, int64_t sources, float* to, int64_t n, const Kernel& kernel) {
    scratch.across.extend(sources);
    kernel(scratch.across.data(), scratch.result.data());
    std::memcpy(to, scratch.result.data(), static_cast<size_t>(n) * sizeof(float));
}

// Sums of rows that may lie at the very end of memory: vectors reach beyond whole ones only within copies.
class RowSums {
public:
    RowSums(const LatentKernels& kernels, int64_t n) : kernels_(kernels), n_(n), whole_(n / kStrip * kStrip) {}

    void operator()(const float* const* rows, const float* factors, int64_t count, float* to) const {
        if (whole_ > 0) kernels_.combine(rows, factors, count, to, whole_);
        if (whole_ == n_) return;
        float ends[8][kStrip] = {};
        const float* sources[8];
        for (int64_t k = 0; k < count; ++k) {
            std::memcpy(ends[k], rows[k] + whole_, static_cast<size_t>(n_ - whole_) * sizeof(float));
            sources[k] = ends[k];
        }
        kernels_.combine(sources, factors, count, to + whole_, n_ - whole_);
    }

private:
    const LatentKernels& kernels_;
    int64_t n_, whole_;
};

void double_rows(const Level& level, const LatentKernels& kernels, int64_t map, int64_t first, int64_t last,
                 LevelScratch& scratch) {
    const int64_t height = (level.height + 1) / 2, width = (level.width + 1) / 2;
    const float* const source = level.maps + map * height * width;
    float* const out = level.out + (1 + map) * level.height * level.width;
    const RowSums sums(kernels, width);
    for (int64_t y = first; y < last; ++y) {
        const float* rows[4];
        for (int tap = 0; tap < 4; ++tap)
            rows[tap] = source + std::clamp<int64_t>(y / 2 + kUpSources[y & 1][tap], 0, height - 1) * width;
        sums(rows, level.up, 4, scratch.across.data());
        filter_row(scratch, width, out + y * level.width, level.width,
                   [&](const float* x, float* to) { kernels.doubled(x, level.up, to, level.width); });
    }
}

void smooth_rows(const Level& level, const LatentKernels& kernels, const float* latent, int64_t first, int64_t last,
                 LevelScratch& scratch) {
    const std::array<float, 7> factors = pre_factors(level.pre);
    const RowSums sums(kernels, level.width);
    for (int64_t y = first; y < last; ++y) {
        const float* rows[7];
        for (int tap = 0; tap < 7; ++tap)
            rows[tap] = latent + std::clamp<int64_t>(y + kPreSources[tap], 0, level.height - 1) * level.width;
        sums(rows, factors.data(), 7, scratch.across.data());
        filter_row(scratch, level.width, level.out + y * level.width, level.width,
                   [&](const float* x, float* to) { kernels.smoothed(x, level.pre, to, level.width); });
    }
}

// Rows of all layers that a band of results needs, from the first up to the last.
struct Band {
    std::vector<int64_t> first, last;
};

Band band_of(const Axis& rows, int64_t first, int64_t last) {
    const size_t layers = rows.arms.size();
    Band band;
    band.first.assign(layers + 1, first);
    band.last.assign(layers + 1, last);
    for (size_t k = layers; k-- > 0;) {
        int32_t low = rows.arms[k][0][static_cast<size_t>(band.first[k + 1])], high = low;
        for (const std::vector<int32_t>& arm : rows.arms[k]) {
            const auto ends = std::minmax_element(arm.begin() + band.first[k + 1], arm.begin() + band.last[k + 1]);
            low = std::min(low, *ends.first);
            high = std::max(high, *ends.second);
        }
        band.first[k] = low;
        band.last[k] = high + 1;
    }
    return band;
}

// Where the middle of each result stands among the first places.
std::vector<int32_t> middles(const Axis& axis) {
    std::vector<int32_t> found(static_cast<size_t>(axis.results()));
    for (size_t i = 0; i < found.size(); ++i) {
        int32_t at = static_cast<int32_t>(i);
        for (size_t k = axis.arms.size(); k-- > 0;) at = axis.arms[k][1][static_cast<size_t>(at)];
        found[i] = at;
    }
    return found;
}

bool run_of_ones(const int32_t* index, int64_t n) {
    for (int64_t i = 1; i < n; ++i)
        if (index[i] != index[0] + i) return false;
    return true;
}

int64_t whole_strips(int64_t n) { return (n + kStrip - 1) / kStrip * kStrip; }

// What bands share: places of columns, layer after layer.
class Plan {
public:
    Plan(const Synthesis& synthesis, const Maps& maps, const Axis& rows, const Axis& columns)
        : synthesis(synthesis), maps(maps), rows(rows), columns(columns), kernels(latent_kernels()) {
        middle_rows = middles(rows);
        middle_columns = middles(columns);
        sizes.push_back(columns.places());
        for (const auto& arms : columns.arms) {
            const int64_t n = static_cast<int64_t>(arms[0].size());
            sizes.push_back(n);
            std::vector<std::array<bool, 3>> strips;
            for (int64_t at = 0; at < n; at += kStrip) {
                std::array<bool, 3> side_by_side{};
                for (size_t j = 0; j < 3; ++j)
                    side_by_side[j] = run_of_ones(arms[j].data() + at, std::min(kStrip, n - at));
                strips.push_back(side_by_side);
            }
            runs.push_back(std::move(strips));
        }
        for (const int64_t n : sizes) strides.push_back(whole_strips(n));
        contiguous = columns.taps == 1 && run_of_ones(columns.sources.data(), columns.places());
        const int64_t band = std::clamp<int64_t>(kBandPlaces / std::max<int64_t>(1, columns.results()), 4, kBandRows);
        deepest.assign(sizes.size(), 0);
        for (int64_t first = 0; first < rows.results(); first += band) {
            bands.push_back(band_of(rows, first, std::min(first + band, rows.results())));
            for (size_t k = 0; k < sizes.size(); ++k)
                deepest[k] = std::max(deepest[k], bands.back().last[k] - bands.back().first[k]);
        }
    }

    const Synthesis& synthesis;
    const Maps& maps;
    const Axis &rows, &columns;
    const LatentKernels& kernels;
    std::vector<int32_t> middle_rows, middle_columns;
    std::vector<int64_t> sizes, strides;                 // columns of each layer, and how far its rows are apart
    std::vector<std::vector<std::array<bool, 3>>> runs;  // of a strip: whether the places of an arm are side by side
    bool contiguous = false;                             // columns of the maps, taken as they are
    std::vector<Band> bands;
    std::vector<int64_t> deepest;  // rows of a layer in a band
};

// What one worker needs for a band.
class Worker {
public:
    explicit Worker(const Plan& plan)
        : plan_(plan),
          channels_(plan.synthesis.channels),
          inputs_(static_cast<size_t>(plan.maps.count * plan.strides[0] + kSpare)),
          gathered_(static_cast<size_t>(9 * channels_ * kStrip)),
          pointers_(static_cast<size_t>(std::max(9 * channels_, plan.maps.count))) {
        for (size_t k = 0; k < plan.sizes.size(); ++k)
            values_.emplace_back(static_cast<size_t>(plan.deepest[k] * channels_ * plan.strides[k] + kSpare));
        bypass_.resize(values_[0].size());
        held_.fill(-1);
        for (std::vector<float>& row : sources_) row.resize(inputs_.size());
    }

    void run(const Band& band, float* out) {
        for (int64_t row = band.first[0]; row < band.last[0]; ++row) mix_row(row, row - band.first[0]);
        for (size_t k = 0; k < plan_.synthesis.residuals.size(); ++k)
            for (int64_t row = band.first[k + 1]; row < band.last[k + 1]; ++row) residual_row(k, row, band);
        for (int64_t row = band.first.back(); row < band.last.back(); ++row) finish_row(row, band, out);
    }

private:
    float* row_of(std::vector<float>& values, size_t layer, int64_t row) const {
        return values.data() + row * channels_ * plan_.strides[layer];
    }

    // Features at the first places of a row, and through the 1x1 layers.
    void mix_row(int64_t row, int64_t at) {
        const int64_t stride = plan_.strides[0], n = plan_.sizes[0];
        const int32_t* const sources = plan_.rows.sources.data() + row * plan_.rows.taps;
        const float* x = source_row(sources[0]);
        if (plan_.rows.taps == 4) {
            const float* rows[4] = {x, source_row(sources[1]), source_row(sources[2]), source_row(sources[3])};
            plan_.kernels.combine(rows, plan_.rows.factors.data() + 4 * row, 4, inputs_.data(),
                                  plan_.maps.count * stride);
            x = inputs_.data();
        }
        for (int64_t k = 0; k < plan_.maps.count; ++k) pointers_[static_cast<size_t>(k)] = x + k * stride;
        plan_.kernels.mix(plan_.synthesis.mixer, x, row_of(values_[0], 0, at), stride, n);
        plan_.kernels.multiply(plan_.synthesis.bypass, pointers_.data(), row_of(bypass_, 0, at), stride, n, false);
    }

    // A row of all maps at the first places of columns; the last ones are kept, as rows between them share them.
    const float* source_row(int32_t row) {
        const size_t slot = static_cast<size_t>(row % kSourceRows);
        float* const to = sources_[slot].data();
        if (held_[slot] == row) return to;
        held_[slot] = row;
        for (int64_t k = 0; k < plan_.maps.count; ++k)
            take(plan_.maps.data + (k * plan_.maps.height + row) * plan_.maps.width, to + k * plan_.strides[0],
                 plan_.sizes[0]);
        return to;
    }

    void take(const float* x, float* to, int64_t n) const {
        const Axis& columns = plan_.columns;
        if (columns.taps == 4) return plan_.kernels.cubic(x, columns.sources.data(), columns.factors.data(), to, n);
        if (plan_.contiguous) {
            std::memcpy(to, x + columns.sources[0], static_cast<size_t>(n) * sizeof(float));
            return;
        }
        for (int64_t i = 0; i < n; ++i) to[i] = x[columns.sources[static_cast<size_t>(i)]];
    }

    // Row `row` of the results of a 3x3 layer.
    void residual_row(size_t layer, int64_t row, const Band& band) {
        const auto& down = plan_.rows.arms[layer];
        const auto& right = plan_.columns.arms[layer];
        const int64_t stride = plan_.strides[layer], next = plan_.strides[layer + 1], n = plan_.sizes[layer + 1];
        float* const to = row_of(values_[layer + 1], layer + 1, row - band.first[layer + 1]);
        for (int64_t at = 0; at < n; at += kStrip) {
            const int64_t count = std::min(kStrip, n - at);
            for (int64_t i = 0; i < 3; ++i) {
                const int64_t source = down[static_cast<size_t>(i)][static_cast<size_t>(row)] - band.first[layer];
                const float* const x = row_of(values_[layer], layer, source);
                for (int64_t j = 0; j < 3; ++j) {
                    const int32_t* const index = right[static_cast<size_t>(j)].data() + at;
                    const bool run = plan_.runs[layer][static_cast<size_t>(at / kStrip)][static_cast<size_t>(j)];
                    for (int64_t c = 0; c < channels_; ++c)
                        pointers_[static_cast<size_t>(9 * c + 3 * i + j)] =
                            run ? x + c * stride + index[0] : gather(x + c * stride, index, count, 9 * c + 3 * i + j);
                }
            }
            const bool last = layer + 1 == plan_.synthesis.residuals.size();
            plan_.kernels.multiply(plan_.synthesis.residuals[layer], pointers_.data(), to + at, next, count, !last);
        }
    }

    const float* gather(const float* x, const int32_t* index, int64_t count, int64_t number) {
        float* const to = gathered_.data() + number * kStrip;
        for (int64_t i = 0; i < count; ++i) to[i] = x[index[i]];
        return to;
    }

    void finish_row(int64_t row, const Band& band, float* out) {
        const size_t layer = plan_.synthesis.residuals.size();
        const int64_t n = plan_.sizes[layer];
        const float* const values = row_of(values_[layer], layer, row - band.first[layer]);
        const float* const bypass = row_of(bypass_, 0, plan_.middle_rows[static_cast<size_t>(row)] - band.first[0]);
        for (int64_t c = 0; c < channels_; ++c) {
            const float* const a = values + c * plan_.strides[layer];
            const float* const b = bypass + c * plan_.strides[0];
            float* const to = out + row * n * channels_ + c;
            for (int64_t i = 0; i < n; ++i) {
                to[i * channels_] = cut(a[i] + b[plan_.middle_columns[static_cast<size_t>(i)]]);
            }
        }
    }

    const Plan& plan_;
    int64_t channels_;
    std::vector<float> inputs_;
    std::array<std::vector<float>, kSourceRows> sources_;
    std::array<int32_t, kSourceRows> held_;  // which row of the maps each is of
    std::vector<float> gathered_;
    std::vector<const float*> pointers_;
    std::vector<std::vector<float>> values_;  // of each layer: (rows of the band, channels, columns)
    std::vector<float> bypass_;
};

}  // namespace

void raise_level(const Level& level, int threads) {
    const LatentKernels& kernels = latent_kernels();
    const int64_t size = level.height * level.width;
    const int64_t bands = (level.height + kBandRows - 1) / kBandRows, pieces = bands * (1 + level.count);
    const int used = workers(pieces, threads);
    std::vector<float> latent;
    if (level.symbols != nullptr) latent.assign(level.symbols, level.symbols + size);
    std::vector<LevelScratch> scratch;
    for (int worker = 0; worker < used; ++worker) scratch.emplace_back(level.width);
    share(pieces, used, [&](int worker, int64_t piece) {
        const int64_t map = piece / bands - 1, first = piece % bands * kBandRows;
        const int64_t last = std::min(first + kBandRows, level.height);
        LevelScratch& own = scratch[static_cast<size_t>(worker)];
        if (map >= 0)
            double_rows(level, kernels, map, first, last, own);
        else if (level.symbols != nullptr)
            smooth_rows(level, kernels, latent.data(), first, last, own);
        else
            std::fill_n(level.out + first * level.width, (last - first) * level.width, 0.0f);
    });
}

void show(const Synthesis& synthesis, const Maps& maps, const Axis& rows, const Axis& columns, float* out,
          int threads) {
    if (rows.results() == 0 || columns.results() == 0) return;
    const Plan plan(synthesis, maps, rows, columns);
    const int64_t pieces = static_cast<int64_t>(plan.bands.size());
    const int used = workers(pieces, threads);
    std::vector<Worker> own;
    own.reserve(static_cast<size_t>(used));
    for (int worker = 0; worker < used; ++worker) own.emplace_back(plan);
    share(pieces, used, [&](int worker, int64_t piece) {
        own[static_cast<size_t>(worker)].run(plan.bands[static_cast<size_t>(piece)], out);
    });
}

}  // namespace inr::latent
