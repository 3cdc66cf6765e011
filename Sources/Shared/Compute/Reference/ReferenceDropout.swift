// SPDX-License-Identifier: Apache-2.0

extension ReferenceDevice {
  package func dropout(
    _ y: Buffer, x: Buffer, places: [DropoutMask.Place], columns: Int, mask: DropoutMask,
    accumulate: Bool
  ) {
    let (y, x) = (y.values(places.count * columns), x.values(places.count * columns))
    for (row, place) in places.enumerated() {
      mask.forEach(place, columns: columns) { column, factor in
        let index = row * columns + column
        y[index] = (accumulate ? y[index] : 0) + factor * x[index]
      }
    }
  }
}
