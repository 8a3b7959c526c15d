package files

// Placed is a Reader that knows how far in its split it is. All of this package
// are.
type Placed interface {
	Reader
	// Passed is about the share of the split, from 0 to 1, that the rows so
	// far take. It never goes back.
	Passed() float64
}

// share is part of whole, kept between 0 and 1; 0 of nothing.
func share(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return min(1, max(0, part/whole))
}

// Passed implements Placed by rows, of which the footer has the number.
func (r *parquetReader) Passed() float64 { return share(float64(r.rows), float64(r.total)) }

// Passed implements Placed by the bytes before the batch that is being cut, and
// its rows.
func (r *arrowReader) Passed() float64 {
	if r.record == nil { // before the first batch, or after the last
		return share(float64(r.rows), float64(r.rows))
	}
	m := r.messages
	begin, end := m.split.Offset, min(m.end, endOf(m.split))
	cut := share(float64(r.at), float64(r.record.NumRows()))
	return share(float64(m.start-begin)+cut*float64(m.at-m.start), float64(end-begin))
}

// Passed implements Placed by bytes.
func (r *rowReader) Passed() float64 { return share(float64(r.in.passed()), float64(r.in.length)) }

// passed is the bytes of the split that are consumed; of a compressed file
// those that are taken from it.
func (in *input) passed() int64 {
	if in.compression == plain {
		return in.offset - in.begin
	}
	return in.file.taken
}
