// SPDX-License-Identifier: Apache-2.0
internal import Records
internal import Streams

/// Whether the files of a run are still the ones that its manifests and its plan speak of.
enum Provenance {
  /// Fills in ``Run/checkedFiles``: each digest that a manifest or the plan gives for a file of
  /// this folder, beside the file's digest now.
  static func check(_ run: inout Run, folder: String) throws(StreamError) {
    var now: [String: String] = [:]
    var checked: [CheckedFile] = []
    for (file, said, by) in claims(run) {
      if let index = checked.firstIndex(where: { $0.file == file && $0.expected == said }) {
        checked[index].saidBy.append(by)
        continue
      }
      if now[file] == nil, FileSystem.exists("\(folder)/\(file)") {
        now[file] = try Manifest.File(hashing: "\(folder)/\(file)").sha256
      }
      checked.append(
        CheckedFile(file: file, expected: said, found: now[file], saidBy: [by]))
    }
    run.checkedFiles = checked
  }

  /// File, digest, and the file that says so. Paths are brought back to the run folder: manifests
  /// hold them as they were typed.
  private static func claims(_ run: Run) -> [(file: String, digest: String, by: String)] {
    var claims: [(String, String, String)] = []
    for client in run.plan?.clients ?? [] {
      for file in client.files {
        guard let digest = file.sha256, let plan = run.plan, isPlain(file.name) else { continue }
        let home = plan.source.lastIndex(of: "/").map { String(plan.source[...$0]) } ?? "shards/"
        claims.append((home + file.name, digest, plan.source))
      }
    }
    for manifest in run.manifests {
      for file in manifest.outputs + manifest.inputs {
        guard let path = inside(file.name, run: run.name) else { continue }
        claims.append((path, file.sha256, manifest.source))
      }
    }
    return claims
  }

  /// The path below the run folder, if the name has the folder in it.
  private static func inside(_ name: String, run: String) -> String? {
    let parts = name.split(separator: "/").map(String.init)
    guard let index = parts.lastIndex(of: run), index + 1 < parts.count else { return nil }
    let rest = parts[(index + 1)...]
    return rest.allSatisfy(isPlain) ? rest.joined(separator: "/") : nil
  }

  private static func isPlain(_ part: String) -> Bool {
    !part.isEmpty && part != "." && part != ".." && !part.contains("/") && !part.contains("\0")
  }
}

/// A digest that was written down, and what the file has now.
package struct CheckedFile {
  package let file: String
  package let expected: String
  /// nil where the file is gone.
  package let found: String?
  package var saidBy: [String]
}
