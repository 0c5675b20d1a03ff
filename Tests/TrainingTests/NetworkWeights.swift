/// The `weights_sha256` of every network after the ten steps of `NetworkStepTests`, by the engine that `auto` chooses: the same on every
/// processor. Who changes the arithmetic of a kernel changes them, on purpose or not.
enum NetworkWeights {
    static let digests = [
        "fashion-classifier": "341e9ad4c0d51941980f6fafed19dca99f97482b53729f9c3bf8f4e429bb6bc1",
        "mnist-classifier": "b17fcce40af8f0ec2ce230f5d64fd5c2cf5e9d6bfe3bf9bc65aede93572b093f",
        "strided-cnn": "9f4df4ba88135ddae5a95836d68de9c3ea01bd0016e1202d207de2e07c6efe22",
        "lenet5": "a1dad420da95aefcf8381b55bdfaccc4864563f3d86be9bd669a1d31a29a93a1",
        "cifar-resnet20": "196115908f938d9326862993250fdb541922991bfb08cdded603d8e52bac50ea",
        "alexnet": "2a08dfd6347fbde43850058347a35a9f3e4082f48500278b5a9e6b4c92090f4c",
        "vgg11": "d94c84d3b4369132f859dd61c87a2f98747db53841249610cf2a516acc2645df",
        "vgg13": "e6793a8f2ed641dd35d2199893d1d83b4895af94dfd3694eb7dded135e084bb3",
        "vgg16": "cce0be10e1a066210421077de456ab5487aa58752b2b93b847175821f0fd816b",
        "vgg19": "e11ff5530bdd6b35453cd362ffcc2608e6953e5152c9df013dee4d69de254bed",
        "vgg11-bn": "5a58bff566321506508c761cc94e321d6b2db242064faf61f5fc2bc903d5c826",
        "vgg13-bn": "9b69c25fa1dd4e073bc8d5b63154f32b09536f597ca81a1ab2ebf2b6e28d616f",
        "vgg16-bn": "eeaca4be20171b59c7e3466e2fc56ca3e81b3a861343e4fc52e2bfdf9fadba2d",
        "vgg19-bn": "db89b7966b0f0798b144b5ea4cda449458052156f4619a23feaa5a0b44b1f3d3",
        "resnet18": "054812a5e8c99a3afa7bba002e5599f285b0f448e4c91e48f8517c994207c974",
        "resnet34": "c24d81d9d82fbef7b1d3a67902e3e5437252f7c97a6a593680f117870b22cc02",
        "resnet50": "58be49ceea09cec6eb8b8e808ed7703987f5c661e4b8008c2cd44894090760e5",
        "resnet101": "f23bac89712253a2aa0203f1ad9148562610c46ec14748b747a82dda3ac6701d",
        "resnet152": "0135aee70cfd0cb806f735e55322e2100bb79937b0692767236ef18901305f32",
    ]
}
