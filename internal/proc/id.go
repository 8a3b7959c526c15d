package proc

import "fmt"

// ID names one process for good, on all machines.
type ID struct {
	PID int `json:"pid"`
	// Space is the pid space (PIDSpace): PID means the same process wherever Space is
	// the same.
	Space string `json:"space"`
	// Start is the start time, which tells processes apart that had the same PID one
	// after the other.
	Start string `json:"start"`
}

// Identify returns the ID of a process that this one sees under pid.
func Identify(pid int) (ID, error) {
	space, err := PIDSpace()
	if err != nil {
		return ID{}, err
	}
	stat, err := ReadStat(pid)
	return ID{PID: pid, Space: space, Start: stat.Start}, err
}

// Alive tells whether the process still runs; a zombie does not. A process of another
// machine or pid namespace cannot be seen from here, and counts as alive.
func (id ID) Alive() bool {
	if space, err := PIDSpace(); err != nil || space != id.Space {
		return true
	}
	stat, err := ReadStat(id.PID)
	return err == nil && stat.Start == id.Start && !stat.Ended()
}

// String is "boot id/pid:[namespace]/pid/start time".
func (id ID) String() string { return fmt.Sprintf("%s/%d/%s", id.Space, id.PID, id.Start) }
