"""A host, a router and guests made of network namespaces, and the means to look at them.

Only the standard library and the programs of iproute2, nftables, ethtool and tcpdump are used, so that
what a test says about the product never rests on the product's own code.
"""
