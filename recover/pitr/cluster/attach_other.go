//go:build unix && !linux

package cluster

import "os/exec"

// attach gives the server a process group of its own, so that an interrupt on
// the terminal does not reach it past its caller.
func attach(cmd *exec.Cmd) { cmd.SysProcAttr.Setpgid = true }
