// SPDX-License-Identifier: Apache-2.0
package import Records

extension RecordLayout {
  /// The layout that `--field NAME=FIELD` options ask for, as in `text=body`.
  package init(fieldOptions: [String]) throws(UsageError) {
    self.init()
    for mapping in fieldOptions {
      let parts = mapping.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, map(parts[0], to: parts[1]) else {
        throw UsageError(
          "--field: expected NAME=FIELD, found \"\(mapping)\"",
          hint: "names are \(RecordLayout.fieldNames.joined(separator: ", "))")
      }
    }
  }
}
