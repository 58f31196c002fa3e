// The layout of a data set as an argument.

import ArgumentParser
import Datasets

extension LayoutChoice: ExpressibleByArgument {}
extension CacheChoice: ExpressibleByArgument {}
extension SamplePart: ExpressibleByArgument {}
