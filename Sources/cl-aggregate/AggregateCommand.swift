// SPDX-License-Identifier: Apache-2.0

@main
struct AggregateCommand {
  static func main() {}
}
