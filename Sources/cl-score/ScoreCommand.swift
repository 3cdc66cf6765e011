// SPDX-License-Identifier: Apache-2.0

@main
struct ScoreCommand {
  static func main() {}
}
