// SPDX-License-Identifier: Apache-2.0

/// Clipping by the global norm of all gradients, the formula of torch.nn.utils.clip_grad_norm_.
package enum GradientClipping {
  /// Factor of the gradients, at most 1; 1 if `maximum` is 0, which means no clipping.
  package static func factor(norm: Double, maximum: Double) -> Double {
    maximum > 0 ? min(1, maximum / (norm + 1e-6)) : 1
  }
}
