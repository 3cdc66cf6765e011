// SPDX-License-Identifier: Apache-2.0
import CommandSupport
import Partitioning
import Records
import Streams

extension PartitionCommand {
  /// One pass: to shards, to annotated records, or to a plan alone.
  func runHash(_ tool: Tool, _ request: PartitionRequest, _ paths: [String]) throws {
    let partition = try HashPartition(
      request, layout: try RecordLayout(fieldOptions: field), skipInvalid: common.skipInvalid,
      threads: common.threadCount)
    let request = partition.request
    let progress = Progress(tool)
    let toolName = "\(Self.toolName) \(BuildInfo.version)"
    func read(_ take: (UnsafeRawBufferPointer, _ client: Int, _ part: Int) throws -> Void) throws {
      try partition.run(
        paths: paths, onSkip: tool.reportSkipped,
        onProgress: { count in progress.show("\(count) records") },
        open: try lineOpener(), take: take)
      progress.finish()
    }
    var folder: ShardFolder?
    let plan: Plan
    if writesShards {
      let shards = try ShardFolder(common.output, request: request)
      plan = try shards.write(request, threads: common.threadCount, body: read) {
        try partition.plan(tool: toolName)
      }
      folder = shards
    } else {
      let sink = try OutputSink(path: common.output)
      if annotate {
        let parts = request.split.parts
        let ids = (0..<request.clients).map { Plan.clientID($0, of: request.clients) }
        let place = RecordLocation(file: paths.first ?? "-", line: 0)
        try read { line, client, part in
          try ShardAnnotation.write(
            line, at: place, client: ids[client], split: parts.isEmpty ? nil : parts[part].name,
            to: sink)
        }
        plan = try partition.plan(tool: toolName)
      } else {
        try read { _, _, _ in }
        plan = try partition.plan(tool: toolName)
        try sink.write(plan.json())
      }
      try sink.close()
    }
    show(plan, tool)
    try finish(tool, plan.inputs, plan, in: folder)
  }
}
