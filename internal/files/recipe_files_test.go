package files

// TakeFiles gives a data set of a recipe the files of another one.
func (d *Dataset) TakeFiles(of *Dataset) { d.files = of.files }
