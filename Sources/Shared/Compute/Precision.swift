// SPDX-License-Identifier: Apache-2.0

/// What the large products compute with. Norms, softmax, losses, LoRA factors and the optimizer are
/// float32 in any case.
package enum Precision: String, Sendable, CaseIterable {
  case float32 = "f32"
  /// Operands rounded to bfloat16, sums in float32.
  case bfloat16 = "bf16"
}
