package plane

import "syscall"

// dieWithParent has the kernel kill a server when this program is killed and cannot end it.
func dieWithParent(attributes *syscall.SysProcAttr) *syscall.SysProcAttr {
	attributes.Pdeathsig = syscall.SIGKILL
	return attributes
}
