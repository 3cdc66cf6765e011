// SPDX-License-Identifier: Apache-2.0

/// What this build is.
package enum BuildInfo {
  package static let version = "0.1.0"
}
