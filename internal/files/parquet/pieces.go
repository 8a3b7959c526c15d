package parquet

import (
	"bytes"
	"fmt"

	"github.com/apache/arrow/go/v15/parquet"
)

// pageDecoder decodes a chunk's pages. The library's column chunk readers
// decode levels one by one into 16 bits each, which takes twice as long on
// lists of floats (BenchmarkChunk).
type pageDecoder struct {
	pages    pages
	maxRep   uint8
	maxDef   uint8
	rep, def []byte // reused
	deltas   deltas
}

func (p *pageDecoder) offset() int64 { return p.pages.start }

func (p *pageDecoder) next() (decodedPage, error) {
	pg, err := p.pages.next()
	if err != nil {
		return decodedPage{}, err
	}
	out := decodedPage{n: int(pg.values), present: int(pg.values), encoding: pg.encoding, values: pg.body}
	if pg.kind == dictionaryPage {
		out.dictionary = true
		if pg.encoding != parquet.Encodings.Plain && pg.encoding != parquet.Encodings.PlainDict {
			return out, fmt.Errorf("a dictionary in the encoding %s", pg.encoding)
		}
		return out, nil
	}
	rep, def := pg.rep, pg.def
	if pg.kind == dataPageV1 {
		if rep, def, err = p.splitLevels(pg, &out); err != nil {
			return out, err
		}
	}
	if err := p.expandLevels(&out, rep, def); err != nil {
		return out, err
	}
	switch out.encoding {
	case parquet.Encodings.DeltaBinaryPacked, parquet.Encodings.DeltaLengthByteArray, parquet.Encodings.DeltaByteArray:
		out.values, err = p.deltas.decodePage(out.encoding, out.values, out.present)
		out.encoding = parquet.Encodings.Plain
	}
	return out, err
}

// splitLevels splits the levels off a version 1 page.
func (p *pageDecoder) splitLevels(pg *page, out *decodedPage) (rep, def []byte, err error) {
	if p.maxRep > 0 {
		if rep, out.values, err = levelBytes(pg.repEncoding, out.values); err != nil {
			return nil, nil, err
		}
	}
	if p.maxDef > 0 {
		def, out.values, err = levelBytes(pg.defEncoding, out.values)
	}
	return rep, def, err
}

func (p *pageDecoder) expandLevels(out *decodedPage, rep, def []byte) (err error) {
	if p.maxRep > 0 {
		if p.rep, err = expandLevels(rep, p.maxRep, out.n, p.rep); err != nil {
			return err
		}
		out.rep = p.rep
	}
	if p.maxDef > 0 && !allHighest(def, p.maxDef, out.n) {
		if p.def, err = expandLevels(def, p.maxDef, out.n, p.def); err != nil {
			return err
		}
		if out.present = bytes.Count(p.def, []byte{p.maxDef}); out.present < out.n {
			out.def = p.def
		}
	}
	return nil
}
