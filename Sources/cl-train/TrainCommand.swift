// SPDX-License-Identifier: Apache-2.0

@main
struct TrainCommand {
  static func main() {}
}
