//go:build !linux

package plane

import "syscall"

// dieWithParent: only Linux can do that.
func dieWithParent(attributes *syscall.SysProcAttr) *syscall.SysProcAttr {
	return attributes
}
