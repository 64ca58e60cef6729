// The operations, one row each: INR_OPERATION(kind, nature, facts). Whoever includes this file says what becomes of a
// row; from the rows follow the kinds and their names, the checks, the plan of the memory and what runs.
//
// An elementwise operation needs its row and its formula, Formula<Kind::k...> in isa/formulas.h; any other its row, its
// rules in ops/shapes.h, and forward_of<Kind::k...> and, unless it is given, backward_of<Kind::k...> in isa/.
// The facts are those of ops/operation.h.

// clang-format off

// y = W x + b. ints: d_out, d_in, complex; params: W (d_out, d_in), or Wr and then Wi, and b, which need not be there.
INR_OPERATION(Linear, General, Facts("linear").ints(3).params(2, linear_sizes).last_optional().keeps_inputs()
              .width(linear_width))

// Functions of each number. reals: omega, sigma or the slope below zero; ints of finer: whether its gradient is full.
INR_OPERATION(Sine, Elementwise, Facts("sine").reals(1).coarse())
INR_OPERATION(ReLU, Elementwise, Facts("relu").sign_tells_slope())
INR_OPERATION(Gaussian, Elementwise, Facts("gaussian").reals(1))
INR_OPERATION(Finer, Elementwise, Facts("finer").ints(1).reals(1))
INR_OPERATION(GatedTanh, Elementwise, Facts("gated tanh").reals(1))
INR_OPERATION(LeakyReLU, Elementwise, Facts("leaky relu").reals(1).sign_tells_slope())
INR_OPERATION(Tanh, Elementwise, Facts("tanh"))

// Wavelets. inputs: z and others; reals: omega, sigma.
INR_OPERATION(RealGabor, General, Facts("real gabor").inputs(1, kMostInputs).reals(2).keeps_inputs()
              .keeps_output().width(twice_width))
INR_OPERATION(ComplexGabor, General, Facts("complex gabor").inputs(1, kMostInputs).reals(2).keeps_inputs()
              .keeps_output().width(even_width))

// What combines and selects features. reals of add: a factor for each input; ints of columns: first, last.
INR_OPERATION(Multiply, General, Facts("multiply").inputs(1, kMostInputs).keeps_inputs().factors())
INR_OPERATION(Add, General, Facts("add").inputs(1, kMostInputs).real_each())
INR_OPERATION(Concat, General, Facts("concat").inputs(1, kMostInputs).width(total_width))
INR_OPERATION(Columns, General, Facts("columns").ints(2).width(columns_width))
INR_OPERATION(LayerNorm, General, Facts("layer norm").params(2, layer_norm_sizes).keeps_rows(layer_norm_rows))

// What is given. ints of constant: width, of noise: channels, cells, seed; reals: the value, the phase; inputs of a
// noisy target: target, noise, moment, fresh noise.
INR_OPERATION(Constant, Given, Facts("constant").ints(1).reals(1).width(constant_width))
INR_OPERATION(NoisyTarget, Given, Facts("noisy target").inputs(4, 4).untrained().width(noisy_target_width))
INR_OPERATION(Noise, Given, Facts("noise").ints(3).reals(1).width(noise_width))

// Functions of coordinates. constants: frequencies (rows, d_in), in cycles, and of a sine filter in half cycles, whose
// phase is its parameter; ints: the number of frequencies or of polynomials.
INR_OPERATION(Fourier, General, Facts("fourier").any_constants().keeps_output().width(fourier_width))
INR_OPERATION(SineFilter, General, Facts("sine filter").any_constants().params(1, sine_filter_sizes)
              .width(sine_filter_width).keeps_rows(own_width))
INR_OPERATION(FourierSeries, General, Facts("fourier series").ints(1).keeps_output().width(series_width))
INR_OPERATION(Chebyshev, General, Facts("chebyshev").ints(1).keeps_inputs().keeps_output().width(chebyshev_width))

// A table of features. ints: d_in, n_features, n_levels, hashed, then numbers of the levels; see ops/grid_levels.h.
INR_OPERATION(Grid, General, Facts("grid").any_ints(4).any_reals(1).params(1, grid_sizes).keeps_inputs().scatters()
              .width(grid_width))

// Contractions of one factor for each axis. ints: rank and channels, or channels; params: the core.
INR_OPERATION(Cp, General, Facts("cp").inputs(2, kMostInputs).ints(2).keeps_inputs().writes(Order::kLastFirst)
              .width(cp_width))
INR_OPERATION(Tt, General, Facts("tt").inputs(2, kMostInputs).ints(2).keeps_inputs().writes(Order::kBackwards)
              .width(tt_width).keeps_rows(tt_kept_rows).scratch_rows(tt_scratch_rows))
INR_OPERATION(Tucker, General, Facts("tucker").inputs(2, 4).ints(1).params(1, tucker_sizes).keeps_inputs()
              .writes(Order::kBackwards).width(tucker_width).keeps_rows(tucker_kept_rows).scratch_rows(tucker_scratch_rows))

// clang-format on
