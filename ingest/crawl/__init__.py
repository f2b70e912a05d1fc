"""Company sites: fetching politely and safely, caching, and (in ``extract``) what the pages say."""
