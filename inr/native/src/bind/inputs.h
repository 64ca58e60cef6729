// Grids and samples that Python hands over once and uses in many calls.
#pragma once

#include "bind/arrays.h"
#include "isa/isa.h"

namespace inr {

inline SampleType sample_type(const std::string& name) {
    if (name == "uint8") return SampleType::kUint8;
    if (name == "uint16") return SampleType::kUint16;
    if (name == "int8") return SampleType::kInt8;
    if (name == "int16") return SampleType::kInt16;
    if (name == "float32") return SampleType::kFloat32;
    throw nb::type_error(("samples: expected uint8, uint16, int8, int16 or float32; got " + name).c_str());
}

// Coordinates along each axis of a grid, and which of its points are meant.
class Grid {
public:
    Grid(const std::vector<Given>& axes, std::vector<double> cells) {
        if (axes.empty() || axes.size() > 4) throw nb::value_error("axes: expected 1 to 4 of them");
        if (!cells.empty() && cells.size() != axes.size())
            throw nb::value_error("cells: expected one size for each axis");
        int64_t size = 1;
        for (size_t k = 0; k < axes.size(); ++k) {
            const float* x = checked<float>(axes[k], "axes", {kAny});
            const int64_t n = static_cast<int64_t>(axes[k].shape(0));
            if (n < 1 || size > (int64_t{1} << 62) / n)
                throw nb::value_error("axes: expected at least one sample along each");
            coordinates_.emplace_back(x, x + n);
            points_.shape[k] = n;
            points_.cells[k] = cells.empty() ? 0.0f : static_cast<float>(cells[k]);
            size *= n;
        }
        points_.ndim = static_cast<int>(axes.size());
        points_.n = size;
    }

    int ndim() const { return points_.ndim; }
    int64_t size() const { return points_.n; }
    Points points() const {
        Points points = points_;
        for (int k = 0; k < points.ndim; ++k) points.axes[k] = coordinates_[static_cast<size_t>(k)].data();
        return points;
    }

private:
    std::vector<std::vector<float>> coordinates_;
    Points points_;
};

// Samples of a signal and how they become targets.
class Source {
public:
    Source(Given samples, const std::string& type, std::optional<Given> table, double low, double factor)
        : array_(std::move(samples)) {
        samples_.type = sample_type(type);
        int64_t entries = 0;
        switch (samples_.type) {
            case SampleType::kUint8:
                samples_.data = checked<uint8_t>(array_, "samples", {kAny, kAny});
                entries = 256;
                break;
            case SampleType::kInt8:
                samples_.data = checked<int8_t>(array_, "samples", {kAny, kAny});
                entries = 256;
                break;
            case SampleType::kUint16:
                samples_.data = checked<uint16_t>(array_, "samples", {kAny, kAny});
                entries = 65536;
                break;
            case SampleType::kInt16:
                samples_.data = checked<int16_t>(array_, "samples", {kAny, kAny});
                entries = 65536;
                break;
            default: samples_.data = checked<float>(array_, "samples", {kAny, kAny});
        }
        samples_.low = low;
        samples_.factor = factor;
        if (entries == 0) return;
        if (!table) throw nb::value_error("table: integers need the values they stand for");
        const float* values = checked<float>(*table, "table", {entries});
        table_.assign(values, values + entries);
        samples_.table = table_.data();
    }

    Source(const Source&) = delete;
    Source& operator=(const Source&) = delete;
    int64_t size() const { return static_cast<int64_t>(array_.shape(0)); }
    int64_t channels() const { return static_cast<int64_t>(array_.shape(1)); }
    const Samples& samples() const { return samples_; }

private:
    Given array_;  // keeps the memory
    std::vector<float> table_;
    Samples samples_;
};

}  // namespace inr
