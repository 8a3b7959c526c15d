package files

// TakeFiles gives a recipe's data set the files of another data set.
func (d *Dataset) TakeFiles(of *Dataset) { d.files = of.files }
