"""What this project depends on: under which licences, and with which known vulnerabilities (``make audit``).

Not imported by the product, and not installed with it.
"""
