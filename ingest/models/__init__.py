"""Language models: one client with caps, a log of every call, and an optional export of that log.

What is asked, and what is made of the answers, belongs to the rooms that ask. Without a key nothing is called.
"""
