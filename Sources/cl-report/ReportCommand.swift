// SPDX-License-Identifier: Apache-2.0

@main
struct ReportCommand {
  static func main() {}
}
