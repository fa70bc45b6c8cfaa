"""`python -m dicom_node.demo`."""

import sys

from dicom_node.demo.run import main

sys.exit(main())
