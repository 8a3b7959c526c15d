package feed

// paces is the last pace that each program's connection has reported, those that
// have ended too.
type paces map[*program]Pace

// sum is the pace of all connections together. Connections that have ended came
// one after another; those that are open run side by side.
func (p paces) sum(open map[*program]struct{}) Pace {
	var sum, longest Pace
	for program, pace := range p {
		sum.Rows += pace.Rows
		sum.Steps = append(sum.Steps, pace.Steps...)
		if _, ok := open[program]; !ok {
			sum.Seconds += pace.Seconds
			sum.Waited += pace.Waited
		} else if pace.Seconds > longest.Seconds {
			longest = pace
		}
	}
	sum.Seconds += longest.Seconds
	sum.Waited += longest.Waited
	return sum
}
