// SPDX-License-Identifier: Apache-2.0

@main
struct PartitionCommand {
  static func main() {}
}
