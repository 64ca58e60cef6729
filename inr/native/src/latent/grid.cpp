#include "latent/grid.h"

#include <algorithm>
#include <cstdlib>

namespace inr::latent {
namespace {

constexpr int64_t kRowStep = 3;   // a row is decoded so many columns behind the one above
constexpr int64_t kHalfKept = 4;  // fronts of features that are kept
constexpr float kUnit = 4096.0f;  // activations of one symbol

// One grid, front after front. What is known stands in rows of fronts: the symbol of row r and column c at place r of
// front c + 3 r, so that any one neighbour of the symbols of a front lies side by side. The last fronts are kept.
class Wave {
public:
    Wave(const Context& context, const Shape& shape)
        : context_(context), shape_(shape), kernels_(latent_kernels()), stride_(kAbove + shape.height + kSpare) {
        known_.assign(static_cast<size_t>(kKept * stride_), 0.0f);
        mean_.resize(static_cast<size_t>(shape.height + kSpare));
        scale_.resize(mean_.size());
        if (context.features > 0)
            features_.assign(static_cast<size_t>(context.features * (shape.height + kSpare)), 0.0f);
        if (shape.parents.empty()) return;
        half_height_ = (shape.height + 1) / 2;
        half_width_ = (shape.width + 1) / 2;
        half_stride_ = half_height_ + kSpare;
        halves_.assign(static_cast<size_t>(kHalfKept * context.features * half_stride_), 0.0f);
        above_.assign(shape.parents.size() * static_cast<size_t>(half_stride_), 0.0f);
    }

    int64_t fronts() const { return shape_.width + kRowStep * (shape_.height - 1); }

    // Predicts the symbols of a front, once those of all fronts before it have been put.
    void predict(int64_t front) {
        front_ = front;
        first_ = std::max<int64_t>(0, (front - shape_.width + kRowStep) / kRowStep);
        count_ = std::min(shape_.height - 1, front / kRowStep) + 1 - first_;
        std::fill_n(slot(front), stride_, 0.0f);
        if (!shape_.parents.empty() && (front & 1) == 0) tell_half(front >> 1);
        if (count_ == 0) return;
        const float* sources[kMostContextInputs];
        const size_t contexts = context_.neighbours.size();
        for (size_t i = 0; i < contexts; ++i) {
            const Neighbour& n = context_.neighbours[i];
            sources[i] = slot(front + n.column + kRowStep * n.row) + kAbove + first_ + n.row;
        }
        if (!shape_.parents.empty()) tell_features();
        for (int64_t k = 0; k < context_.features; ++k)
            sources[contexts + static_cast<size_t>(k)] = features_.data() + k * (shape_.height + kSpare);
        kernels_.predict(context_.network, sources, count_, mean_.data(), scale_.data());
    }

    int64_t count() const { return count_; }
    // Where symbol i of the front stands in the grid, row by row.
    int64_t place(int64_t i) const {
        const int64_t row = first_ + i;
        return row * shape_.width + front_ - kRowStep * row;
    }
    const int32_t* mean() const { return mean_.data(); }
    const int32_t* scale() const { return scale_.data(); }
    void put(int64_t i, int symbol) { slot(front_)[kAbove + first_ + i] = kUnit * static_cast<float>(symbol); }

private:
    float* slot(int64_t front) { return known_.data() + (front & (kKept - 1)) * stride_; }

    float* half(int64_t front, int64_t feature) {
        return halves_.data() + ((front & (kHalfKept - 1)) * context_.features + feature) * half_stride_;
    }

    // Features of the symbols of a front. They have half the size of the grid: those of row r and column c are on front
    // c / 2 + 3 (r / 2) of their own, so even rows of front f read front f / 2 and odd ones (f - 3) / 2.
    void tell_features() {
        const int64_t even = front_ >> 1, odd = (front_ - kRowStep) >> 1;
        for (int64_t k = 0; k < context_.features; ++k) {
            float* const to = features_.data() + k * (shape_.height + kSpare);
            const float* const a = half(even, k);
            const float* const b = half(odd, k);
            for (int64_t i = first_ & 1; i < count_; i += 2) to[i] = a[(first_ + i) >> 1];
            for (int64_t i = ~first_ & 1; i < count_; i += 2) to[i] = b[(first_ + i) >> 1];
        }
    }

    void tell_half(int64_t front) {
        const int64_t first = std::max<int64_t>(0, (front - half_width_ + kRowStep) / kRowStep);
        const int64_t count = std::min(half_height_ - 1, front / kRowStep) + 1 - first;
        if (count <= 0) return;
        const float* sources[kMostContextInputs];
        for (size_t p = 0; p < shape_.parents.size(); ++p) {
            const Parent& parent = shape_.parents[p];
            float* const to = above_.data() + static_cast<int64_t>(p) * half_stride_;
            for (int64_t i = 0; i < count; ++i) {
                const int64_t row = first + i, column = front - kRowStep * row;
                to[i] =
                    parent
                        .symbols[static_cast<size_t>((row >> parent.shift) * parent.width + (column >> parent.shift))];
            }
            sources[p] = to;
        }
        float* rows[kMostContextInputs];
        for (int64_t k = 0; k < context_.features; ++k) rows[k] = half(front, k) + first;
        kernels_.parents(shape_.weights.data(), context_.features, static_cast<int64_t>(shape_.parents.size()), sources,
                         count, rows);
    }

    const Context& context_;
    const Shape& shape_;
    const LatentKernels& kernels_;
    int64_t stride_, half_height_ = 0, half_width_ = 0, half_stride_ = 0;
    std::vector<float> known_, features_, halves_, above_;
    std::vector<int32_t> mean_, scale_;
    int64_t front_ = 0, first_ = 0, count_ = 0;
};

// The integer nearest to a mean, and how far the mean is from it, -128 to 127 in 1/256.
struct Centre {
    explicit Centre(int32_t mean) : nearest((mean + 128) >> 8), apart(mean - nearest * 256) {}
    int32_t nearest, apart;
};

uint16_t away_odds(const Tables& tables, int32_t mean, int32_t scale) {
    return tables.away[static_cast<size_t>(std::abs(Centre(mean).apart) * kScales + scale)];
}

uint16_t up_odds(const Tables& tables, int32_t mean, int32_t scale) {
    return tables.up[static_cast<size_t>((Centre(mean).apart + 128) * kScales + scale)];
}

const uint16_t* tail_odds(const Tables& tables, int32_t scale) {
    return tables.tail.data() + static_cast<int64_t>(scale) * kTailBits;
}

// Decisions of one front: room for them, and the symbols that each kind is about.
class FrontDecoder {
public:
    FrontDecoder(const Context& context, const Shape& shape, entropy::Decoder& decoder)
        : tables_(context.tables), name_(shape.name), decoder_(decoder) {
        const size_t most = static_cast<size_t>(shape.height);
        odds_.resize(most * kTailBits);
        bits_.resize(odds_.size());
        away_.resize(most);
        far_.resize(most);
        distance_.resize(most);
        symbols_.resize(most);
    }

    // The symbols of the front that was predicted last.
    const int32_t* decode(const Wave& wave) {
        const int64_t n = wave.count();
        const int32_t *mean = wave.mean(), *scale = wave.scale();
        for (int64_t i = 0; i < n; ++i) {
            symbols_[i] = Centre(mean[i]).nearest;
            odds_[i] = away_odds(tables_, mean[i], scale[i]);
        }
        decoder_.decode_bits(odds_.data(), bits_.data(), static_cast<size_t>(n));
        int64_t aways = 0;
        for (int64_t i = 0; i < n; ++i) {
            away_[aways] = static_cast<int32_t>(i);
            aways += bits_[i];
        }
        if (aways > 0) move(aways, mean, scale);
        return symbols_.data();
    }

private:
    // Symbols that are not the centre of their distribution.
    void move(int64_t aways, const int32_t* mean, const int32_t* scale) {
        for (int64_t k = 0; k < aways; ++k) {
            const int32_t i = away_[k];
            odds_[2 * k] = up_odds(tables_, mean[i], scale[i]);
            odds_[2 * k + 1] = tables_.more[static_cast<size_t>(scale[i])];
        }
        decoder_.decode_bits(odds_.data(), bits_.data(), static_cast<size_t>(2 * aways));
        int64_t fars = 0;
        for (int64_t k = 0; k < aways; ++k) {
            distance_[k] = bits_[2 * k] != 0 ? 1 : -1;
            far_[fars] = static_cast<int32_t>(k);
            fars += bits_[2 * k + 1];
        }
        for (int64_t m = 0; m < fars; ++m)
            std::copy_n(tail_odds(tables_, scale[away_[far_[m]]]), kTailBits, odds_.data() + m * kTailBits);
        decoder_.decode_bits(odds_.data(), bits_.data(), static_cast<size_t>(fars * kTailBits));
        for (int64_t m = 0; m < fars; ++m) {
            int32_t tail = 2;
            for (int64_t bit = 0; bit < kTailBits; ++bit) tail += bits_[m * kTailBits + bit] << bit;
            distance_[far_[m]] *= tail;
        }
        bool sound = true;
        for (int64_t k = 0; k < aways; ++k) {
            const int32_t symbol = symbols_[away_[k]] += distance_[k];
            sound = sound && kSymbolMin <= symbol && symbol <= kSymbolMax;
        }
        if (!sound)
            throw entropy::CorruptStream("latents: " + name_ + " has symbols beyond " + std::to_string(kSymbolMin) +
                                         ".." + std::to_string(kSymbolMax));
    }

    const Tables& tables_;
    const std::string& name_;
    entropy::Decoder& decoder_;
    std::vector<uint16_t> odds_;
    std::vector<uint8_t> bits_;
    std::vector<int32_t> away_, far_, distance_, symbols_;
};

}  // namespace

std::vector<int8_t> decode(const Context& context, const Shape& shape, entropy::Decoder& decoder) {
    std::vector<int8_t> symbols(static_cast<size_t>(shape.height * shape.width));
    Wave wave(context, shape);
    FrontDecoder fronts(context, shape, decoder);
    for (int64_t front = 0; front < wave.fronts(); ++front) {
        wave.predict(front);
        const int32_t* const found = fronts.decode(wave);
        for (int64_t i = 0; i < wave.count(); ++i) {
            wave.put(i, found[i]);
            symbols[static_cast<size_t>(wave.place(i))] = static_cast<int8_t>(found[i]);
        }
    }
    return symbols;
}

Decisions decisions(const Context& context, const Shape& shape, const std::vector<int8_t>& symbols) {
    Decisions found;
    const Tables& tables = context.tables;
    Wave wave(context, shape);
    std::vector<int32_t> distance(static_cast<size_t>(shape.height));
    const auto say = [&](bool bit, uint16_t probability) {
        found.bits.push_back(bit ? 1 : 0);
        found.probabilities.push_back(probability);
    };
    for (int64_t front = 0; front < wave.fronts(); ++front) {
        wave.predict(front);
        const int32_t *mean = wave.mean(), *scale = wave.scale();
        for (int64_t i = 0; i < wave.count(); ++i) {
            const int symbol = symbols[static_cast<size_t>(wave.place(i))];
            wave.put(i, symbol);
            distance[i] = symbol - Centre(mean[i]).nearest;
            say(distance[i] != 0, away_odds(tables, mean[i], scale[i]));
        }
        for (int64_t i = 0; i < wave.count(); ++i) {
            if (distance[i] == 0) continue;
            say(distance[i] > 0, up_odds(tables, mean[i], scale[i]));
            say(std::abs(distance[i]) > 1, tables.more[static_cast<size_t>(scale[i])]);
        }
        for (int64_t i = 0; i < wave.count(); ++i) {
            const int tail = std::abs(distance[i]) - 2;
            for (int64_t bit = 0; tail >= 0 && bit < kTailBits; ++bit)
                say((tail >> bit & 1) != 0, tail_odds(tables, scale[i])[bit]);
        }
    }
    return found;
}

}  // namespace inr::latent
