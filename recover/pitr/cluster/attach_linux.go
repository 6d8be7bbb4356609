package cluster

import "os/exec"

// attach ties the server's life to the caller's: it gets a process group of its
// own, so that an interrupt on the terminal does not reach it past its caller,
// and the kernel stops it when the caller is killed.
func attach(cmd *exec.Cmd) {
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = Immediate.signal()
}
