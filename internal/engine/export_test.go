package engine

import "github.com/apache/arrow/go/v15/arrow"

// ConstantStep returns a step on tensors of rows that are made once.
func ConstantStep(g *Training, rows arrow.Record) (step func() error, free func(), err error) {
	found, err := g.train.feedsOf(rows)
	if err != nil {
		return nil, nil, err
	}
	feeds := append([]feed(nil), found...)
	return func() error {
		results, err := g.session.run(feeds, g.train.fetches, g.train.targets)
		freeAll(results)
		return err
	}, func() { freeFeeds(feeds) }, nil
}
