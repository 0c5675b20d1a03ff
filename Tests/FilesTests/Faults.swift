import CFileFaults

/// Runs `body` while calls of one kind by this thread fail.
func failing<Result>(_ call: CFileFaults_Call, _ number: Int32, _ body: () throws -> Result) rethrows -> Result {
    CFileFaults_fail(call, number)
    defer { CFileFaults_fail(CFileFaults_none, 0) }
    return try body()
}
