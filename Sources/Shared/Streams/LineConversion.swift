// SPDX-License-Identifier: Apache-2.0

/// What makes an input's lines out of another one's records; see ``InputSource/conversion``.
package protocol LineConversion: AnyObject {
  /// Asked about each record that cannot be read: true leaves it out and goes on with the next one.
  /// Nil leaves none out.
  var tolerates: ((any Diagnosable) -> Bool)? { get set }

  /// Where the record of a line stands in the original, as `file:line`; nil if that is not known any
  /// more, or if the line is none that was read.
  ///
  /// - Parameter number: of the line, from 1.
  func place(ofLine number: Int) -> String?
}
