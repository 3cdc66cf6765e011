// SPDX-License-Identifier: Apache-2.0
internal import Streams

/// Which tools made which files from which, joined by digest.
enum ProvenanceSection: ReportSection {
  static let anchor: StaticString = "provenance"
  static let title = "Provenance"

  static func applies(to run: Run) -> Bool { run.isFolder || !run.manifests.isEmpty }

  static func write(_ run: Run, into parent: HTMLElement) {
    if run.manifests.isEmpty && run.adapters.isEmpty && run.checkedFiles.isEmpty {
      parent.missing(
        "No manifests: each tool writes one with --manifest FILE.manifest.json, and adapters carry "
          + "their origin.")
      return
    }
    let differing = run.checkedFiles.filter { $0.found != nil && $0.found != $0.expected }
    let gone = run.checkedFiles.filter { $0.found == nil }
    if !run.checkedFiles.isEmpty {
      let good = run.checkedFiles.count - differing.count - gone.count
      parent.paragraph(
        "Of \(NumberText.counted(run.checkedFiles.count, "digest")) that the plan and the manifests "
          + "give for files of this run, \(good) match the files as they are now, "
          + "\(differing.count) differ and \(gone.count) name files that are gone.")
    }
    adapterTable(run).write(into: parent)
    checkTable(run.checkedFiles).write(into: parent)
    manifestTable(run).write(into: parent)
    inputTable(run).write(into: parent)
  }

  /// Enough of a digest to tell files apart.
  private static func short(_ digest: String?) -> String {
    digest.map { PrintableText.shortened($0, to: 13) } ?? NumberText.none
  }

  /// Digests of adapters' tensors, as events and aggregations give them, to the file they mean.
  private static func names(_ run: Run) -> [String: String] {
    var names: [String: String] = [:]
    for adapter in run.adapters {
      if let digest = adapter.digest { names[digest] = adapter.source }
    }
    for training in run.trainings {
      guard let digest = training.end?.adapter, names[digest] == nil else { continue }
      names[digest] = replacing(training.source, ".events.jsonl", ".safetensors")
    }
    for aggregation in run.aggregations {
      guard let digest = aggregation.adapter, names[digest] == nil else { continue }
      names[digest] = replacing(aggregation.source, "aggregate.jsonl", "global.safetensors")
    }
    return names
  }

  private static func replacing(_ text: String, _ suffix: String, _ other: String) -> String {
    text.hasSuffix(suffix) ? String(text.dropLast(suffix.count)) + other : text
  }

  private static func adapterTable(_ run: Run) -> Table {
    var table = Table(
      "Adapters. Digest: SHA-256 over the tensors. Base and parent stand in the file's metadata; a "
        + "parent of this run is named by its file.",
      [
        .source("File"), .number("Size"), .source("Digest"), .text("Made by"), .source("Base"),
        .source("Parent"), .text("Client"), .number("Round"), .number("Rank"), .number("Seed"),
        .number("Records"), .number("Steps"),
      ])
    let names = names(run)
    for adapter in run.adapters {
      table.row([
        adapter.source, NumberText.bytes(adapter.bytes), short(adapter.digest),
        adapter.tool ?? NumberText.none, short(adapter.base),
        adapter.parent.flatMap { names[$0] } ?? short(adapter.parent),
        adapter.client?.label ?? NumberText.none, NumberText.count(adapter.round),
        NumberText.count(adapter.rank),
        adapter.seed ?? NumberText.none, NumberText.count(adapter.records),
        NumberText.count(adapter.steps),
      ])
    }
    return table
  }

  private static func checkTable(_ files: [CheckedFile]) -> Table {
    var table = Table(
      "Digests that were written down, compared with the files.",
      [.source("File"), .source("SHA-256"), .text("Now"), .source("Source")])
    for file in files {
      table.row([
        file.file, short(file.expected),
        file.found == nil ? "gone" : file.found == file.expected ? "matches" : "differs",
        file.saidBy[0] + (file.saidBy.count > 1 ? " and \(file.saidBy.count - 1) more" : ""),
      ])
    }
    return table
  }

  private static func manifestTable(_ run: Run) -> Table {
    var table = Table(
      "Manifests.",
      [
        .text("Tool"), .number("Seed"), .text("Kernels"), .number("Inputs"), .number("Outputs"),
        .text("Arguments"), .source("Source"),
      ])
    for manifest in run.manifests {
      table.row([
        "\(manifest.tool) \(manifest.version)", manifest.seed ?? NumberText.none,
        manifest.kernels ?? NumberText.none, NumberText.count(manifest.inputs.count),
        NumberText.count(manifest.outputs.count), manifest.arguments.joined(separator: " "),
        manifest.source,
      ])
    }
    return table
  }

  /// What came from outside the run: corpora and models.
  private static func inputTable(_ run: Run) -> Table {
    var table = Table(
      "Inputs from outside the run.",
      [.source("File"), .number("Size"), .source("SHA-256"), .source("Source")])
    var seen = Set<String>()
    let inside = Set(run.checkedFiles.map(\.expected))
    func row(_ file: ManifestLine.File, _ source: String) {
      if inside.contains(file.sha256) || !seen.insert("\(file.name)\n\(file.sha256)").inserted {
        return
      }
      table.row([
        file.name, file.bytes.map(NumberText.bytes) ?? NumberText.none, file.sha256, source,
      ])
    }
    for file in run.plan?.inputs ?? [] { row(file, run.plan?.source ?? "") }
    for manifest in run.manifests {
      for file in manifest.inputs { row(file, manifest.source) }
    }
    return table
  }
}
