package azure

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"tfos/internal/store/bucket"
)

// List implements bucket.Bucket. Markers get keys that end with a slash.
func (b *Bucket) List(ctx context.Context, r bucket.ListRequest) (bucket.Page, error) {
	page, err := bucket.Page{}, error(nil)
	if r.Folders {
		page, err = b.listFolder(ctx, r)
	} else {
		page, err = b.listAll(ctx, r)
	}
	if err != nil {
		return bucket.Page{}, translate(err)
	}
	if r.Next != "" || r.Folders || !strings.HasSuffix(r.Prefix, "/") || r.Max > 0 && len(page.Objects) >= r.Max {
		return page, nil
	}
	// The folder's own marker does not begin with the prefix.
	marker, err := b.Head(ctx, r.Prefix)
	if errors.Is(err, fs.ErrNotExist) {
		return page, nil
	}
	page.Objects = append([]bucket.Object{marker}, page.Objects...)
	return page, err
}

func pointers(r bucket.ListRequest) (next *string, most *int32) {
	if r.Next != "" {
		next = &r.Next
	}
	if r.Max > 0 {
		n := int32(r.Max)
		most = &n
	}
	return next, most
}

func (b *Bucket) listAll(ctx context.Context, r bucket.ListRequest) (page bucket.Page, err error) {
	options := &container.ListBlobsFlatOptions{Prefix: &r.Prefix, Include: container.ListBlobsInclude{Metadata: true}}
	options.Marker, options.MaxResults = pointers(r)
	out, err := b.client.NewListBlobsFlatPager(options).NextPage(ctx)
	if err != nil {
		return page, err
	}
	for _, item := range out.Segment.BlobItems {
		page.Objects = append(page.Objects, asObject(item))
	}
	page.Next = value(out.NextMarker)
	return page, nil
}

func (b *Bucket) listFolder(ctx context.Context, r bucket.ListRequest) (page bucket.Page, err error) {
	options := &container.ListBlobsHierarchyOptions{Prefix: &r.Prefix, Include: container.ListBlobsInclude{Metadata: true}}
	options.Marker, options.MaxResults = pointers(r)
	out, err := b.client.NewListBlobsHierarchyPager("/", options).NextPage(ctx)
	if err != nil {
		return page, err
	}
	for _, folder := range out.Segment.BlobPrefixes {
		page.Prefixes = append(page.Prefixes, value(folder.Name))
	}
	for _, item := range out.Segment.BlobItems {
		switch object := asObject(item); {
		case !strings.HasSuffix(object.Key, "/"):
			page.Objects = append(page.Objects, object)
		case !slices.Contains(page.Prefixes, object.Key):
			page.Prefixes = append(page.Prefixes, object.Key)
		}
	}
	page.Next = value(out.NextMarker)
	return page, nil
}

func asObject(item *container.BlobItem) bucket.Object {
	o := bucket.Object{Key: value(item.Name)}
	if p := item.Properties; p != nil {
		o.Size, o.Modified, o.ETag = value(p.ContentLength), value(p.LastModified), quoted(etagOf(p.ETag))
	}
	if isMarker(item.Metadata) {
		o.Key = strings.TrimSuffix(o.Key, "/") + "/"
	}
	return o
}

// quoted returns an ETag as headers have it. Listings leave the quotation marks out.
func quoted(etag string) string {
	if etag == "" || strings.HasPrefix(etag, `"`) {
		return etag
	}
	return `"` + etag + `"`
}
