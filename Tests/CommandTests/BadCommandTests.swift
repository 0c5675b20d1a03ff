import Foundation
import Testing

/// A command line that is refused, its exit code and words of its one line.
struct BadCommand: Sendable, CustomTestStringConvertible {
    let line: String
    let code: Int32
    let words: String
    var testDescription: String { line }

    init(_ line: String, _ code: Int32, _ words: String) {
        (self.line, self.code, self.words) = (line, code, words)
    }

    static let usage = [
        BadCommand("--bogus", 64, "usage error: "), BadCommand("trian", 64, "trian"),
        BadCommand("--threads 0", 64, "--threads 0: expected 1…1024"), BadCommand("--threads x", 64, "'x'"),
        BadCommand("--set batch_size", 64, "expected key=value"), BadCommand("--config", 64, "--config"),
        BadCommand("--overfit 0", 64, "--overfit 0: expected 1…"),
        BadCommand("--overfit 8 --resume auto", 64, "starts anew"),
        BadCommand("evaluate", 64, "--checkpoint"),
        BadCommand("evaluate --checkpoint c --threads 9999", 64, "expected 1…1024"),
        BadCommand("evaluate --checkpoint c --confusion x.txt", 64, "ends in .csv, .svg or .png"),
        BadCommand("evaluate --checkpoint c --confusion a.csv --confusion a.csv", 64, "to one file"),
        BadCommand("evaluate --checkpoint c --weights w", 64, "either --checkpoint"),
        BadCommand("evaluate --weights w --data d.h5", 66, "w: no such file"),
        BadCommand("evaluate --weights w --model lenet5", 64, "--data FILE"),
        BadCommand("evaluate --checkpoint c --model lenet5", 64, "belong to --weights"),
        BadCommand("evaluate --checkpoint c --set seed=1", 64, "only keys of evaluate"),
        BadCommand("bench", 64, "model"), BadCommand("bench nope", 64, "known: fashion-classifier"),
        BadCommand("bench fashion-classifier --shards 3", 64, "expected batch to be a multiple of shards"),
        BadCommand("bench fashion-classifier --batch 30", 64, "a multiple"),
        BadCommand("bench fashion-classifier --seconds 0", 64, "--seconds"),
        BadCommand("convert synthetic", 64, "--output"),
        BadCommand("convert synthetic --train 0 --output o.h5", 64, "--train 0, expected 1…"),
        BadCommand("convert synthetic --compress zip --output o.h5", 64, "--compress zip"),
        BadCommand("convert folder . --output o.h5 --size 0", 64, "--size 0, expected 224 or WIDTHxHEIGHT"),
        BadCommand("convert folder . --output o.h5 --fit squash", 64, "expected crop, pad or stretch"),
        BadCommand("convert folder . --output o.h5 --channels 2", 64, "--channels 2: expected 1 or 3"),
        BadCommand("convert folder . --output o.h5 --test 120%", 64, "--test 120%, expected a part"),
        BadCommand("convert folder . --output o.h5 --max-bad x", 64, "--max-bad x"),
        BadCommand("convert folder . --output o.h5 --on-error stop", 64, "expected skip or fail"),
        BadCommand("convert csv d.csv --output o.h5 --shape 28x28", 64, "expected HEIGHTxWIDTHxCHANNELS"),
        BadCommand("convert cifar100 . --output o.h5 --labels rough", 64, "expected fine or coarse"),
        BadCommand("convert numpy --output o.h5", 64, "files"),
        BadCommand("inspect d.h5 --bogus", 64, "--bogus"), BadCommand("inspect", 64, "file"),
    ]

    static let files = [
        BadCommand("--config none.yaml", 66, "none.yaml"),
        BadCommand("--config .", 66, "is a folder, expected a YAML file in it, such as ./bad.yaml"),
        BadCommand("--data none.h5", 66, "none.h5"), BadCommand("--data text.txt", 65, "text.txt"),
        BadCommand("evaluate --checkpoint none.h5", 66, "none.h5"),
        BadCommand("evaluate --checkpoint .", 65, "a folder without checkpoints"),
        BadCommand("evaluate --checkpoint text.txt", 65, "text.txt"),
        BadCommand("evaluate --checkpoint d.h5", 65, "is a dataset, expected a checkpoint"),
        BadCommand("evaluate --checkpoint d.h5 --confusion nowhere/c.csv", 73, "there is no folder nowhere"),
        BadCommand("evaluate --model fashion-classifier --weights none.h5 --data d.h5", 66, "none.h5"),
        BadCommand("evaluate --model fashion-classifier --weights text.txt --data d.h5", 65, "text.txt"),
        BadCommand(
            "evaluate --model fashion-classifier --weights d.h5 --data d.h5", 65,
            "is a dataset; a dataset is named with --data; expected weights"),
        BadCommand("evaluate --checkpoint d.h5 --logits nowhere/l.h5", 73, "there is no folder nowhere"),
        BadCommand("convert idx nowhere --output o.h5", 66, "nowhere"),
        BadCommand("convert folder nowhere --output o.h5", 66, "nowhere"),
        BadCommand("convert folder text.txt --output o.h5", 65, "is not a folder"),
        BadCommand("convert csv nowhere.csv --output o.h5", 66, "nowhere.csv"),
        BadCommand("convert csv text.txt --output o.h5", 65, "text.txt:1: has one column"),
        BadCommand("convert numpy text.txt --output o.h5", 65, "is no NumPy array"),
        BadCommand("convert tar text.txt --output o.h5", 65, "text.txt"),
        BadCommand("convert cifar10 nowhere --output o.h5", 66, "nowhere"),
        BadCommand("convert folder . --output nowhere/o.h5", 65, "no file in a class folder"),
        BadCommand("inspect none", 66, "none"), BadCommand("inspect text.txt", 65, "text.txt"),
        BadCommand("convert synthetic --train 10 --test 10 --output nowhere/o.h5", 73, "nowhere"),
        BadCommand("convert synthetic --train 10 --test 10 --output text.txt", 73, "text.txt"),
        BadCommand("--data d.h5 --run-dir text.txt", 73, "text.txt"),
        BadCommand("--data d.h5 --set runs_dir=text.txt", 73, "text.txt"),
        BadCommand("--data d.h5 --run-dir text.txt/run", 73, "text.txt"),
    ]

    /// Words that were meant for something else: the message names them and the way on.
    static let mistaken = [
        BadCommand("trian --config x", 64, "there is no command trian, did you mean train? Commands: train, evaluate"),
        BadCommand("eval run", 64, "did you mean evaluate?"),
        BadCommand("predict d.h5", 64, "expected images behind the checkpoint"),
        BadCommand("models", 64, "the networks are fashion-classifier"),
        BadCommand("plot run", 64, "report RUN draws them, export RUN --output metrics.csv"),
        BadCommand("evaluate --worst 25 w.png --bogus", 64, "there is no option --bogus"),
        BadCommand("evaluate --worst 25 w.png c more --bogus", 64, "there is no option --bogus"),
        BadCommand("curves run", 64, "report RUN draws them, export RUN"),
        BadCommand("--val-split 0.2", 64, "--set data.fold=1/5 --set evaluate.split=held-out"),
        BadCommand("--set holdout=0.2", 78, "did you mean data.fold?"),
        BadCommand("convert photos", 64, "knows nothing of photos, expected one of folder, idx"),
        BadCommand("convert images photos --output x.h5", 64, "nothing of images"),
        BadCommand("convert --output x.h5", 64, "it is an option of convert folder, convert idx"),
        BadCommand("--epochs 3", 64, "--set 'epochs=3'"), BadCommand("--epochs=3", 64, "--set 'epochs=3'"),
        BadCommand("--lr 0.1", 64, "--set 'optimizer.learning_rate=0.1'"),
        BadCommand("--batch-size 64", 64, "'batch_size=64'"),
        BadCommand("train --model resnet18", 64, "--set 'model=resnet18'"), BadCommand("--epcohs 3", 64, "'epochs=3'"),
        BadCommand("--json", 64, "metrics.jsonl"), BadCommand("--weights w.h5", 66, "w.h5: no such file"),
        BadCommand("--checkpoint c.h5", 64, "--resume c.h5"), BadCommand("-n 4", 64, "mpirun -np 4"),
        BadCommand("--output x", 64, "--run-dir x"), BadCommand("--confg x", 64, "did you mean --config?"),
        BadCommand("evaluate --checkpont x", 64, "there is no option --checkpont, did you mean --checkpoint?"),
        BadCommand("evaluate c --batch-size 3", 64, "'evaluate.batch_size=3'"),
        BadCommand("evaluate a --checkpoint b", 64, "expected one checkpoint"),
        BadCommand("evaluate c --logits x.csv", 64, "ends in .h5"),
        BadCommand("evaluate c --bogus", 64, "evaluate --help"),
        BadCommand("summary resnet19", 64, "did you mean resnet18?"),
        BadCommand("summary ResNet18", 64, "mean resnet18?"),
        BadCommand("bench fashion-classifer", 64, "did you mean fashion-classifier?"),
        BadCommand("summary bad.yaml", 64, "--config bad.yaml"), BadCommand("bench bad.yaml", 64, "--config bad.yaml"),
        BadCommand("summary --model lenet5", 64, "swift-train summary lenet5"),
        BadCommand("bad.yaml", 64, "--config bad.yaml"), BadCommand("d.h5", 64, "--data d.h5"),
        BadCommand("epochs=3", 64, "--set 'epochs=3'"), BadCommand("--config bad.yaml evaluate", 64, "stands first"),
        BadCommand("inspect d.h5 more", 64, "unexpected word 'more'"),
        BadCommand("convert idx --help-me", 64, "swift-train convert idx --help"),
        BadCommand("--config bat.yaml", 66, "did you mean bad.yaml?"),
        BadCommand(
            "--data .", 65, "is a folder, expected a dataset file (HDF5); make one with swift-train convert folder ."),
        BadCommand("--data x.npz", 65, "is a NumPy archive (.npz)"), BadCommand("--data bad.yaml", 65, "--config"),
        BadCommand("evaluate x.npz", 65, "is a NumPy archive (.npz), expected a checkpoint"),
        BadCommand("evaluate --model lenet5 --weights x.npz --data d.h5", 65, "numpy.load('x.npz')"),
        BadCommand("evaluate .", 65, "a folder without checkpoints"),
        BadCommand("inspect .", 65, "without checkpoints"),
        BadCommand("inspect x.npz", 65, "is a NumPy archive (.npz), expected an HDF5 file"),
        BadCommand("--data d.h5 --resume always", 66, "expected auto, never, a checkpoint"),
        BadCommand("--data d.h5 --resume .", 65, "without checkpoints"),
        BadCommand("--data d.h5 --resume d.h5", 65, "is a dataset, expected a checkpoint"),
        BadCommand("--data d.h5 --run-dir .", 73, "and no run; expected a new or empty folder"),
        BadCommand("--data d.h5 --run-dir . --dry-run", 73, "and no run"),
        BadCommand("--set model.weights=w.h5", 78, "did you mean weights?"),
        BadCommand("--set clip=1.0", 78, "--set 'clip.norm=1.0'"),
        BadCommand("--set lr=1", 78, "optimizer.learning_rate?"),
        BadCommand("--set shards=64", 78, "shards = 64: batch_size = 32 is no multiple"),
        BadCommand("--set epochs=3 --set steps=4", 78, "both given"),
        BadCommand("bench --config bad.yaml --input 1x28x28 --classes 10", 78, "no multiple of shards"),
    ]

    /// Numbers that no computation may see.
    static let numbers = [
        BadCommand("bench lenet5 --batch 4611686018427387904", 64, "expected 1…1048576"),
        BadCommand("bench lenet5 --batch 0", 64, "expected 1…1048576"),
        BadCommand("bench lenet5 --batch -4", 64, "--batch -4: expected 1…"),
        BadCommand("bench lenet5 --shards 9223372036854775807", 64, "expected 1…65536"),
        BadCommand("bench lenet5 --shards -9223372036854775808", 64, "expected 1…65536"),
        BadCommand("bench lenet5 --seconds nan", 64, "--seconds nan"),
        BadCommand("bench lenet5 --seconds inf", 64, "inf"),
        BadCommand("bench lenet5 --seconds -1", 64, "--seconds -1"),
        BadCommand("bench lenet5 --seconds x", 64, "a number"),
        BadCommand("bench lenet5 --threads 0", 64, "expected 1…1024"),
        BadCommand("--threads 99999999999999999999", 64, "a whole number that 64 bits hold"),
        BadCommand("--threads -1", 64, "--threads -1: expected 1…1024"),
        BadCommand("--overfit -1", 64, "expected 1…65536"),
        BadCommand("summary lenet5 --batch 9223372036854775807", 64, "expected 1…1048576"),
        BadCommand("summary lenet5 --classes -1", 64, "--classes -1"),
        BadCommand("summary vgg16 --input 65536x65536x65536", 64, "expected at most 1073741824 values"),
        BadCommand("summary vgg16 --input 3x0x3", 64, "each 1…65536"),
        BadCommand("summary vgg16 --input 3x99999999999999999999x3", 64, "each 1…65536"),
        BadCommand("convert synthetic --train 9223372036854775807 --output o.h5", 64, "expected 1…1000000"),
        BadCommand("convert synthetic --test -1 --output o.h5", 64, "expected 1…1000000"),
        BadCommand("convert synthetic --seed -1 --output o.h5", 64, "'-1'"),
        BadCommand("convert synthetic --seed 18446744073709551616 --output o.h5", 64, "64 bits"),
    ]

    static let configurations = [
        BadCommand("--config bad.yaml", 78, "bad.yaml:2:13: batch_size = 30 is no multiple of shards = 4"),
        BadCommand("--config text.txt", 78, "text.txt"), BadCommand("--config d.h5", 78, "named with --data d.h5"),
        BadCommand("--set batchsize=32", 78, "did you mean batch_size?"),
        BadCommand("--set batch_size=30 --print-config", 78, "28 and 32"),
        BadCommand("--data d.h5 --overfit 2000", 78, "has 200 training samples"),
        BadCommand("evaluate --model resnt --weights w --data d.h5", 78, "expected one of"),
        BadCommand("--set model=resnt", 78, "expected one of"),
        BadCommand("--set optimizer.nesterov=yes", 78, "expected true or false"),
        BadCommand("--set epochs=[", 78, "not valid YAML"),
        BadCommand("--data d.h5 --set evaluate.split=val", 78, "has no split val"),
        BadCommand("--data d.h5 --set model.classes=7", 78, "model.classes = 7"),
    ]
}

@Suite("Bad command lines")
struct BadCommandTests {
    private func check(_ bad: BadCommand) throws {
        let workshop = try Workshop.withData()
        try workshop.write("just words\n", "text.txt")
        try workshop.write("PK\u{3}\u{4}" + String(repeating: "\0", count: 22) + "\u{5}\0\0\0a.npy", "x.npz")
        try workshop.write("model: fashion-classifier\nbatch_size: 30\ndata: {file: d.h5}\n", "bad.yaml")
        let before = workshop.names
        let outcome = try workshop.run(bad.line.split(separator: " ").map(String.init))
        #expect(outcome.code == bad.code, "\(outcome.errors)")
        #expect(outcome.errorLines.count == 1 && outcome.errors.contains(bad.words), "\(outcome.errors)")
        #expect(outcome.output.isEmpty && workshop.names == before, "\(outcome.output) \(workshop.names)")
    }

    @Test("usage", arguments: BadCommand.usage)
    func usage(bad: BadCommand) throws { try check(bad) }

    @Test("files that are missing, bad, or in the way", arguments: BadCommand.files)
    func files(bad: BadCommand) throws { try check(bad) }

    @Test("words that were meant for something else", arguments: BadCommand.mistaken)
    func mistaken(bad: BadCommand) throws { try check(bad) }

    @Test("numbers beyond what makes sense", arguments: BadCommand.numbers)
    func numbers(bad: BadCommand) throws { try check(bad) }

    @Test("configurations", arguments: BadCommand.configurations)
    func configurations(bad: BadCommand) throws { try check(bad) }

    @Test("an empty name is refused where a file or folder is expected")
    func emptyNames() throws {
        let workshop = try Workshop.withData()
        let before = workshop.names
        for (arguments, code) in [
            (["--config", ""], Int32(66)), (["--resume", ""], 66), (["--data", ""], 66),
            (["--data", "d.h5", "--run-dir", ""], 64),
            (["evaluate", "--checkpoint", ""], 66), (["inspect", ""], 66),
        ] {
            let outcome = try workshop.run(arguments)
            #expect(outcome.code == code && outcome.errorLines.count == 1, "\(arguments): \(outcome)")
        }
        #expect(workshop.names == before)
    }
}
