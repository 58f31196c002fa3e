// Signs of life of loops over the pixels of large images.

import Liveness

/// Tells the watch that a loop which comes to every pixel once goes on, at one pixel in 4,096.
@inline(__always)
func beat(at place: Int) {
  if place & 4095 == 0 { Progress.beat() }
}
