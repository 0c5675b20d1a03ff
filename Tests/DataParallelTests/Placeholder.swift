import Testing

@testable import DataParallel
