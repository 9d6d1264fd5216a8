"""The domain: plates, reads, passes and events. Pure: no I/O, no protobuf, nothing of ours."""
