// Kernels that exist for float and for double from one source. Included twice by CKernels.h, with REAL, NAME(operation)
// and PASS(operation, pass) defined. Buffers do not overlap unless a note says so.

// ---- Convolution ---------------------------------------------------------------------------------------------------

/// Unfolds one image [C, D, H, W] into columns [C·kernel, outputs]; places outside the image are 0.
void NAME(unfold)(const CKernels_Window *window, const REAL *image, REAL *columns);
/// The transpose of `unfold`: every place of the image is the sum of its column entries, in the order of the rows of
/// `columns`, starting from +0.
void NAME(fold)(const CKernels_Window *window, const REAL *columns, REAL *image);
/// The definition of convolution: y[k, o] = bias[k] + Σ weight[k, c, r] · x[c, place of r under o], one chain in the order
/// of weight [K, C/groups, kernel]; `bias` may be null. Places outside the image are left out.
void PASS(convolution, forward)(const CKernels_Window *window, const CKernels_Filters *filters, const REAL *x,
                                const REAL *weight, const REAL *bias, REAL *y);
/// dx[c, i] = Σ weight[k, c, r] · dy[k, o] over all k, r, o where r under o is the place i.
void PASS(convolution, inputGradient)(const CKernels_Window *window, const CKernels_Filters *filters, const REAL *dy,
                                      const REAL *weight, REAL *dx);
/// dweight[k, c, r] += Σ over o of dy[k, o] · x[c, place of r under o].
void PASS(convolution, addWeightGradient)(const CKernels_Window *window, const CKernels_Filters *filters, const REAL *x,
                                          const REAL *dy, REAL *dweight);
/// Copies one image into a larger one; every place comes from where `sources` says.
void NAME(pad)(const CKernels_Padding *padding, const REAL *image, REAL *padded);
/// The transpose of `pad`: every place is the sum of the places it was copied to, in the order of those.
void NAME(unpad)(const CKernels_Padding *padding, const REAL *padded, REAL *image);
/// y[k, i] = bias[k] for i in 0 ..< area.
void NAME(fillRows)(const REAL *bias, int64_t rows, int64_t area, REAL *y);
/// sums[k] += Σ dy[k, i], in eight interleaved chains that are joined as a binary tree.
void NAME(addRowSums)(const REAL *dy, int64_t rows, int64_t area, REAL *sums);
/// sums[k] += Σ dy[i, k] over i in 0 ..< rows, in that order; dy has `stride` elements a row.
void NAME(addColumnSums)(const REAL *dy, int64_t rows, int64_t columns, int64_t stride, REAL *sums);

// ---- Pooling -------------------------------------------------------------------------------------------------------

/// The largest (or, with `sign` −1, the smallest) value of each window and its place in the channel; the first of equal
/// values wins, NaN wins over numbers. A window without places gives −∞ (+∞) and the place −1.
void PASS(extremePool, forward)(const CKernels_Pooling *pooling, int32_t sign, const REAL *x, REAL *y, int32_t *argmax);
/// dx = Σ dy of the windows that the place has won, in the order of the windows, starting from +0.
void PASS(extremePool, backward)(const CKernels_Pooling *pooling, const REAL *dy, const int32_t *argmax, REAL *dx);
/// The sum of each window, one chain in the order of its places, over the product of its divisors.
void PASS(averagePool, forward)(const CKernels_Pooling *pooling, const REAL *x, REAL *y);
/// dx = Σ dy / divisor of the windows that hold the place, in the order of the windows.
void PASS(averagePool, backward)(const CKernels_Pooling *pooling, const REAL *dy, REAL *dx);

// ---- Softmax; the other activations are the rows of CKernels_activations.h ---------------------------------------------

/// Softmax over the first axis of one sample [classes, area], computed in double.
void PASS(softmax, forward)(const REAL *x, int64_t classes, int64_t area, REAL *y);
/// dx = y · (dy − Σ y · dy), the sum over the classes in double.
void PASS(softmax, backward)(const REAL *y, const REAL *dy, int64_t classes, int64_t area, REAL *dx);

// ---- Normalisation: one channel of a group of images, `stride` elements from image to image ----------------------------

/// sums[0] = Σ (x − centre) and sums[1] = Σ (x − centre)² in double: eight interleaved chains over the images in order,
/// joined as a binary tree.
void NAME(centredSums)(const REAL *x, int64_t images, int64_t stride, int64_t area, double centre, double *sums);
/// sums[0] = Σ dy and sums[1] = Σ dy · (x − mean), in the same order.
void NAME(gradientSums)(const REAL *x, const REAL *dy, int64_t images, int64_t stride, int64_t area, double mean,
                        double *sums);
/// y = (x − mean) · scale + shift, computed in double.
void PASS(normalize, forward)(const REAL *x, int64_t images, int64_t stride, int64_t area, double mean, double scale,
                              double shift, REAL *y);
/// dx = (dy − gradientMean − (x − mean) · slope) · scale, computed in double. dx may be dy.
void PASS(normalize, backward)(const REAL *x, const REAL *dy, int64_t images, int64_t stride, int64_t area, double mean,
                               double gradientMean, double slope, double scale, REAL *dx);

// ---- Dropout -------------------------------------------------------------------------------------------------------

/// y = x · scale where mask is 1, else +0, by selection. y may be x.
void NAME(masked)(const REAL *x, const uint8_t *mask, REAL scale, int64_t count, REAL *y);

// ---- Loss ----------------------------------------------------------------------------------------------------------

/// Softmax cross-entropy of `samples` rows of logits [samples, classes]: adds to `score`, and writes d(Σ loss)/d(logits)
/// unless `dlogits` is null, and each sample's loss unless `losses` is null. Computed in double, sample after sample;
/// gradients are rounded once. The rank of a label counts logits that are larger, or equal with a lower index; a NaN logit
/// makes it wrong.
///
/// With smoothing ε the target of label k is 1 − ε + ε/classes, of the others ε/classes. Class weights w (null: all 1)
/// multiply each class' term; the divisor grows by w[label] for each sample. `targets` [samples, classes], unless null, take
/// the place of the labels in the loss (not in the counts), are smoothed too, and the divisor grows by 1.
void NAME(crossEntropy)(const CKernels_CrossEntropy *loss, const REAL *logits, const int32_t *labels,
                        const REAL *targets, int64_t samples, int64_t classes, CKernels_Score *score, REAL *dlogits,
                        double *losses);
/// Σ (x − t)² of `samples` rows, with t = `targets`, or one-hot rows of the labels where that is null; the divisor grows by
/// `classes` for each sample. Otherwise as `crossEntropy`.
void NAME(squaredError)(const REAL *x, const int32_t *labels, const REAL *targets, int64_t samples, int64_t classes,
                        CKernels_Score *score, REAL *dx, double *losses);
