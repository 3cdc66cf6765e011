// SPDX-License-Identifier: Apache-2.0
import CommandSupport
import Partitioning
import Records
import Streams

extension PartitionCommand {
  /// Shards in folders or files, whoever made them.
  func describeShards(_ tool: Tool) throws {
    let paths = try tool.inputs(files).flatMap { path in
      FileSystem.isDirectory(path) ? try ShardDescription.files(in: path) : [path]
    }
    let choice = try by.map { try PropertyChoice(parsing: $0) }
    let scan = RecordScan(
      paths: paths, choice: choice, layout: try RecordLayout(fieldOptions: field),
      skipInvalid: common.skipInvalid, spoolFolder: nil)
    try scan.read(onSkip: tool.reportSkipped)
    let description = try ShardDescription(paths: paths, scan: scan)
    let sink = try OutputSink(path: common.output)
    if planOnly {
      try sink.write(description.json(tool: "\(Self.toolName) \(BuildInfo.version)"))
    } else {
      try sink.write(description.text(Locale.picture))
    }
    try sink.close()
    try finish(tool, scan.inputs, nil, in: nil)
  }
}
