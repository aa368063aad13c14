from django.urls import path

from catalog.api import Capabilities, CatalogModels, Models, OneModel

app_name = "catalog"
urlpatterns = [
    path("models", Models.as_view(), name="models"),
    path("models/<str:id>", OneModel.as_view(), name="model"),
    path("catalog/models", CatalogModels.as_view(), name="catalog_models"),
    path("catalog/capabilities", Capabilities.as_view(), name="capabilities"),
]
