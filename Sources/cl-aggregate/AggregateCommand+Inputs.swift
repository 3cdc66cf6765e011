// SPDX-License-Identifier: Apache-2.0
import Adapters
import Aggregation
import Safetensors
import Streams

extension AggregateCommand {
  /// Opens every input. An adapter that cannot be used is refused; a pipe that breaks inside an
  /// adapter stops everything, since nobody knows what followed.
  func open(_ paths: [String]) throws -> ([AdapterFile], [Refusal]) {
    var adapters: [AdapterFile] = []
    var refused: [Refusal] = []
    func accept(_ path: String, _ open: () throws(AdapterError) -> AdapterFile) {
      do { adapters.append(try open()) } catch {
        refused.append(Refusal(path: path, error: error))
      }
    }
    for path in paths {
      if path == "-" {
        let stream = AdapterStream(try InputSource(path: path))
        while let file = try stream.next() {
          accept(file.path) { () throws(AdapterError) in try AdapterReader.open(file) }
        }
      } else {
        accept(path) { () throws(AdapterError) in try AdapterReader.open(path: path) }
      }
    }
    return (adapters, refused)
  }

  /// The files behind an argument, for the manifest.
  static func inputFiles(_ path: String) -> [String] {
    if path == "-" { return [] }
    guard FileSystem.isDirectory(path) else { return [path] }
    let folder = path.hasSuffix("/") ? String(path.dropLast()) : path
    return [AdapterReader.configName, AdapterReader.weightsName].map { "\(folder)/\($0)" }
  }
}
