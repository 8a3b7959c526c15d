package feed

// paces holds the last pace that each program's connection has reported,
// including those that have ended.
type paces map[*program]Pace

// sum returns the pace of all connections together. Connections that have ended
// ran one after another. Open connections run side by side.
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
