import Testing

@testable import Report

@Suite("Numbers, tables, JSON, CSV and words of a shell")
struct TextTests {
    @Test("numbers have thousands separators, few digits and no negative nan")
    func numbers() {
        #expect(
            [0, 999, 1_000, 1_234_567, -1_000].map(NumberText.grouped) == ["0", "999", "1,000", "1,234,567", "-1,000"])
        #expect(NumberText.grouped(.min) == "-9,223,372,036,854,775,808")
        #expect(NumberText.megabytes(1_234_560_000) == "1,234.6 MB" && NumberText.megabytes(0) == "0.0 MB")
        #expect(NumberText.megabytes(.max) == "9,223,372,036,854.8 MB")
        #expect(NumberText.significant(0.00017943365943242335) == "0.0001794" && NumberText.significant(0.02) == "0.02")
        #expect(
            [2_204, 65_535, 9_999.6, 0.5, -123_456, 2e9].map { NumberText.significant($0, 3) } == [
                "2204", "65535", "10000", "0.5", "-123456", "2e+09",
            ])
        for nan in [Double.nan, -Double.nan] {
            #expect(
                [NumberText.plain(nan), NumberText.decimal(nan, 2), NumberText.significant(nan)] == [
                    "nan", "nan", "nan",
                ])
        }
        #expect(NumberText.decimal(-.infinity, 1) == "-inf")
        #expect(NumberText.extremes([2, -0.5, 1]) == "-0.5 … 2")
        #expect(NumberText.extremes([.nan, 2, .infinity, 1]) == "1 … 2, 2 not finite")
        #expect(NumberText.extremes([.nan]) == "none that is finite" && NumberText.extremes([]) == "none")
        #expect(
            [0, 59.6, 725, 10_931, 356_400].map(NumberText.duration) == [
                "0:00", "1:00", "12:05", "3:02:11", "4 d 03 h",
            ])
        #expect([-1, .nan, .infinity, 1e300].map(NumberText.duration) == ["?", "?", "?", "?"])
    }

    @Test("short numbers keep three digits, and what rounds up takes the next unit")
    func compact() {
        #expect(
            [0, 0.7234, 9.996, 42.25, 99.96, 853.4, 999.6, 20_345, 1_251_000, -20_345, 5e15].map(NumberText.compact)
                == [
                    "0.000", "0.723", "10.0", "42.2", "100", "853", "1.00k", "20.3k", "1.25M", "-20.3k", "5000T",
                ])
        #expect(NumberText.compact(.nan) == "nan" && NumberText.percent(0.125) == "12 %")
        #expect(NumberText.percent(0.125, 1) == "12.5 %")
        #expect(NumberText.counted(1, "rank") == "1 rank" && NumberText.counted(1_875, "step") == "1,875 steps")
        #expect(NumberText.gigabytes(3_240_000_000) == "3.2 GB" && NumberText.gigabytes(.max) == "9,223,372,036.9 GB")
    }

    @Test("a table's columns are as wide as their widest cell on a terminal, and rows end without spaces")
    func tables() {
        let table = TextTable([["name", "n"], ["日本", "1,000"], ["é", ""], ["x"]], [.left, .right], indent: 1)
        #expect(table.lines == [" name      n", " 日本  1,000", " é", " x"])
        #expect(table.rule == " ───────────")
        #expect(TextTable(facts: [("a", "1"), ("bcd", "2")]).text == "a    1\nbcd  2")
        #expect(TextTable([], [.left]).lines.isEmpty)
        #expect("e\u{301}\u{200B}日😀".terminalColumns == 5)
    }

    @Test("JSON keeps order and all digits, writes null for what is not finite, and hides what a terminal obeys")
    func json() throws {
        let value: JSON = [
            "z": .integer(-1), "a": .number(0.1 + 0.2), "seed": .unsigned(.max), "nan": .number(-Double.nan),
            "float": .number(Float(0.1)), "flag": .boolean(false), "none": .optional(Int?.none, JSON.integer),
            "text": "a\n\"b\\/\u{1b}é\u{202e}", "list": .integers([1, 2]), "empty": [],
            "object": ["k": .strings(["v"])],
        ]
        #expect(
            value.text()
                == #"{"z":-1,"a":0.30000000000000004,"seed":18446744073709551615,"nan":null,"float":0.1,"flag":false,"#
                + #""none":null,"text":"a\u000a\"b\\/\u001bé\u202e","list":[1,2],"empty":[],"object":{"k":["v"]}}"#)
        #expect(
            JSON.object([.init("a", [.integer(1), "b"]), .init("c", [])]).text(.spaced) == #"{"a": [1, "b"], "c": []}"#)
        #expect(
            JSON.object([.init("a", [.integer(1), "b"]), .init("c", .object([]))]).text(.indented)
                == "{\n  \"a\": [\n    1,\n    \"b\"\n  ],\n  \"c\": {}\n}")
        let parsed = try #require(JSON(parsing: #" {"b": [1, 2.5, "x", null, true], "a": {"n": 1e3}} "#))
        #expect(parsed.text() == #"{"a":{"n":1000},"b":[1,2.5,"x",null,true]}"#)
        #expect(parsed[key: "a"]?[key: "n"] == .integer(1000) && parsed[key: "c"] == nil)
        #expect(JSON(parsing: "{") == nil && JSON(parsing: "") == nil)
        for text in [
            "01", "-", "1.", ".5", "1e", "+1", "nan", "\"\t\"", "\"\\x\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "[1,]",
            "{\"a\":1,}",
            "{a:1}", "[1 2]", "tru", "1e999", "\"a", "[]]", String(repeating: "[", count: 200_000),
        ] { #expect(JSON(parsing: text) == nil, "\(text.prefix(20))") }
        #expect(JSON(parsing: [0x22, 0xFF, 0x22]) == nil, "no UTF-8")
        #expect(JSON(parsing: #""\u00e9\ud83d\ude00\n\/\"\\""#) == .string("é😀\n/\"\\"))
        #expect(
            JSON(parsing: "[-0.5E-2,18446744073709551615,9223372036854775807,1e2,-0]")
                == [.number(-0.005), .unsigned(.max), .integer(.max), .integer(100), .integer(0)])
        let numbers: [JSON] = [0.1, 1e-300, 1.7976931348623157e308, 0.30000000000000004, -.leastNonzeroMagnitude].map(
            JSON.number)
        #expect(JSON(parsing: JSON.array(numbers).text()) == .array(numbers))
        #expect(JSON.string("a b").plain == "a b" && JSON.integers([1, 2]).plain == "[1, 2]")
    }

    @Test("moments and times have the digits that people use")
    func times() {
        #expect(LocalTime.text(1_700_000_000.9, "%Y-%m-%dT%H:%M:%SZ", isUTC: true) == "2023-11-14T22:13:20Z")
        #expect(LocalTime.text(-1, "%H:%M:%S", isUTC: true) == "23:59:59")
        #expect(LocalTime.text(.nan, "%Y").isEmpty && LocalTime.text(1e30, "%Y").isEmpty)
        let times: [(Double, String)] = [
            (0, "0 s"), (1.2e-5, "< 0.01 s"), (0.0449, "0.04 s"), (1.25, "1.2 s"), (9.96, "10 s"), (59.4, "59 s"),
            (59.6, "1:00"), (3_700, "1:01:40"), (.nan, "?"),
        ]
        for (seconds, text) in times { #expect(NumberText.time(seconds: seconds) == text) }
    }

    @Test("fields of CSV stand in quotes where they must")
    func csv() {
        #expect(CSV.row(["a", "b,c", "d\"e", "f\ng", "h i", ""]) == "a,\"b,c\",\"d\"\"e\",\"f\ng\",h i,")
    }

    @Test("a shell reads words back as they are")
    func shell() {
        #expect(
            ShellWords.quoted(["a-1=/x,y@z:%+", "a b", "it's", "", "é", "$x"])
                == "a-1=/x,y@z:%+ 'a b' 'it'\\''s' '' 'é' '$x'")
    }
}
