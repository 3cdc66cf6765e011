// SPDX-License-Identifier: Apache-2.0

extension CPUDevice {
  package func dropout(
    _ y: Buffer, x: Buffer, places: [DropoutMask.Place], columns: Int, mask: DropoutMask,
    accumulate: Bool
  ) {
    let (y, x) = (y.values(places.count * columns), x.values(places.count * columns))
    loop.chunks(of: places.count, by: rowChunk(width: columns)) { range in
      for row in range {
        let (y, x) = (y + row &* columns, x + row &* columns)
        mask.forEach(places[row], columns: columns) { column, factor in
          y[column] = (accumulate ? y[column] : 0) + factor * x[column]
        }
      }
    }
  }
}
