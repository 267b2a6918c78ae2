//go:build !unix

package cache

import "io/fs"

const nonblock = 0

// Where modes say nothing, the folder is as safe as the user's profile that it is in.
func mine(fs.FileInfo) bool { return true }

func closed(fs.FileInfo) bool { return true }
