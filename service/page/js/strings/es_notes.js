// Spanish translations of notes, units, data sets and licences on cards; # stands for a number.

export const notes = {
  // Units and data sets
  'nats/char': 'nats/carácter',
  'nats/move': 'nats/movimiento',
  'grey levels': 'niveles de gris',
  test: 'prueba',
  train: 'entrenamiento',
  validation: 'validación',
  'cross-validation, # folds': 'validación cruzada, # particiones',
  'sample photographs of scikit-learn and scikit-image': 'fotografías de muestra de scikit-learn y scikit-image',
  'hymenoptera (ants and bees), train + val': 'hymenoptera (hormigas y abejas), train + val',
  'CIFAR-# (JPEG copy)': 'CIFAR-# (copia en JPEG)',
  'PolyU, # crops': 'PolyU, # recortes',
  'Numbers in words': 'Números en palabras (inglés)',
  'UCI pen digits': 'dígitos a lápiz de la UCI',
  'BSDS# (# of its photographs)': 'BSDS# (# de sus fotografías)',
  'ImageNet-#k, by way of the pretrained weights mobilenet_v#-tfsame.pth (hash of the file)':
    'ImageNet-#k, a través de los pesos preentrenados mobilenet_v#-tfsame.pth (hash del archivo)',
  'AMD EPYC, # cores': 'AMD EPYC, # núcleos',

  // Licences
  'public domain': 'dominio público',
  'Apache-# (weights)': 'Apache-# (los pesos)',
  "the data's own terms apply to the data": 'a los datos se aplican sus propias condiciones',
  'the data are CC BY #, E. Alpaydin and F. Alimoglu, UCI': 'los datos son CC BY #, E. Alpaydin y F. Alimoglu, UCI',
  'the terms of the ImageNet weights that training started from are listed under data':
    'las condiciones de los pesos de ImageNet de los que partió el entrenamiento figuran con los datos',
  'the rights to the photographs belong to their authors': 'los derechos de las fotografías son de sus autores',
  'non-commercial research only (trained on UTKFace)': 'solo investigación no comercial (entrenado con UTKFace)',
  'non-commercial research only (UTKFace)': 'solo investigación no comercial (UTKFace)',
  "research and education (trained on BSDS#, whose photographs are Corel's)":
    'investigación y educación (entrenado con BSDS#, cuyas fotografías son de Corel)',
  "research and education (Berkeley; the photographs are Corel's)": 'investigación y educación (Berkeley; las fotografías son de Corel)',
  'Berkeley, research and education': 'Berkeley, investigación y educación',
  'no explicit licence from its authors': 'sin licencia explícita de sus autores',
  'cite LeCun et al. #': 'cítese LeCun et al. #',
  'no explicit licence': 'sin licencia explícita',
  'cite Krizhevsky #': 'cítese Krizhevsky #',
  'photographs from Flickr, rights with their authors': 'fotografías de Flickr, con derechos de sus autores',
  'used for training and measuring only': 'usadas solo para entrenar y medir',

  // How metrics were measured
  '# before the weights were stored as float#': '# antes de guardar los pesos en float#',
  '-# before the weights were stored as float#': '-# antes de guardar los pesos en float#',
  'pixels in #–#, latents not rounded': 'píxeles en #–#, código sin redondear',
  'pixels in #–#, latents rounded': 'píxeles en #–#, código redondeado',
  'mean over images': 'media de las imágenes',
  'mean over images of #-bit outputs': 'media de las imágenes, con salidas de # bits',
  'whole container, mean over images': 'contenedor completo, media de las imágenes',
  'whole container, mean over photographs': 'contenedor completo, media de las fotografías',
  'entropy-coded latents only': 'solo el código comprimido por entropía',
  'lossless, whole file': 'sin pérdidas, archivo completo',
  "whole file at this model's PSNR, between the two nearest qualities":
    'archivo completo con la PSNR de este modelo, entre las dos calidades más próximas',
  'of RGB, mean over photographs': 'en RGB, media de las fotografías',
  "mean over photographs, whole files, PSNR of RGB, against Pillow's JPEG (optimize True, subsampling #:#:#)":
    'media de las fotografías, archivos completos, PSNR en RGB, frente al JPEG de Pillow (optimize True, subsampling #:#:#)',
  "mean over photographs, whole files, PSNR of RGB, against Pillow's WEBP (method #)":
    'media de las fotografías, archivos completos, PSNR en RGB, frente al WebP de Pillow (method #)',
  "mean over photographs, whole files, PSNR of RGB, against Pillow's AVIF (speed #, subsampling #:#:#)":
    'media de las fotografías, archivos completos, PSNR en RGB, frente al AVIF de Pillow (speed #, subsampling #:#:#)',
  'the last # characters': 'los últimos # caracteres',
  'read once from end to end, with the state carried along': 'leídos una vez de principio a fin, manteniendo el estado',
  '# windows of # characters of it, drawn with a fixed seed, without context':
    '# ventanas de # caracteres, elegidas con una semilla fija, sin contexto',
  '# windows of # without context': '# ventanas de #, sin contexto',
  'fp# in the same run #': 'en la misma medición, fp#: #',
  'the epoch was chosen on it': 'con él se eligió la época',
  'held-out lines completed exactly by greedy decoding, without context':
    'líneas reservadas que completa exactamente eligiendo siempre el carácter más probable, sin contexto',
  'Gaussian noise of mean # and deviation #, clipped to #–#': 'ruido gaussiano de media # y desviación #, recortado a #–#',
  "noise in floats, unclipped, as in the literature: torch's own figure, because the graph takes bytes":
    'ruido en coma flotante, sin recortar, como en la bibliografía: medido con torch, porque el grafo recibe bytes',
  'noise clipped and rounded to # bits': 'ruido recortado y redondeado a # bits',
  'no noise: what it changes': 'sin ruido: cuánto cambia la imagen',
  'one shot of a camera against the mean of many': 'una toma de una cámara frente a la media de muchas',
  'probabilities of # networks, averaged': 'promedio de las probabilidades de # redes',
  'temperature #, fitted on # held-out training images': 'temperatura #, ajustada con # imágenes de entrenamiento reservadas',
  'deviation of the accuracy #': 'desviación típica de la exactitud: #',
  'chosen by this very accuracy': 'elegida por esta misma exactitud',
  'top-#, one view': 'top-#, una sola vista',
  'top-#, one view, no test-time augmentation': 'top-#, una sola vista, sin aumento de datos en la prueba',
  'share of images that fp# gives the same label': 'proporción de imágenes con la misma etiqueta que en fp#',
  'share of images with the same label as by fp#': 'proporción de imágenes con la misma etiqueta que en fp#',
  'share of pictures that fp# gives the same label': 'proporción de imágenes con la misma etiqueta que en fp#',
  'generated images': 'imágenes generadas',
  'pooled MobileNetV# features (ImageNet) at #×#, no FID': 'características agregadas de MobileNetV# (ImageNet) a #×#; no es FID',
  'the discriminator used the same network, which favours it': 'el discriminador usó la misma red, lo que lo favorece',
  'other training images in place of generated ones': 'otras imágenes de entrenamiento en lugar de las generadas',
  'images of a normal distribution in # principal components': 'imágenes de una distribución normal en # componentes principales',
  'features of resnet-cifar# #, four quarters of each image': 'características de resnet-cifar# #, los cuatro cuartos de cada imagen',
  'mean gradient of brightness, relative to real images': 'gradiente medio del brillo, en proporción al de las imágenes reales',
  'mean distance between two images in pixels, relative to real images':
    'distancia media entre dos imágenes, en píxeles, en proporción a la de las reales',
  "share with two eyes found by OpenCV's Haar cascade: real images":
    'proporción con dos ojos según la cascada de Haar de OpenCV: imágenes reales',
  "share with two eyes found by OpenCV's Haar cascade: generated images":
    'proporción con dos ojos según la cascada de Haar de OpenCV: imágenes generadas',
  "share with two eyes found by OpenCV's Haar cascade: # images between each of # pairs of seeds":
    'proporción con dos ojos según la cascada de Haar de OpenCV: # imágenes entre cada uno de # pares de semillas',
  "share with two eyes found by OpenCV's Haar cascade: all images between two seeds":
    'proporción con dos ojos según la cascada de Haar de OpenCV: todas las imágenes entre dos semillas',
  'generated images: median distance in pixels to the most similar training image':
    'imágenes generadas: distancia mediana, en píxeles, a la imagen de entrenamiento más parecida',
  'images that were not trained on: median distance in pixels to the most similar training image':
    'imágenes no usadas en el entrenamiento: distancia mediana, en píxeles, a la imagen de entrenamiento más parecida',
  'density over the box, the position and the pen': 'densidad sobre la caja, la posición y el lápiz',
  'share of drawings, seed #, bias #, classified correctly by # nearest neighbours among the training digits':
    'proporción de dibujos, con semilla # y sesgo #, que clasifican bien los # vecinos más próximos entre los dígitos de entrenamiento',
  'the same for the test digits, classified correctly by # nearest neighbours':
    'lo mismo con los dígitos de prueba, clasificados por los # vecinos más próximos',
  'fine-tuned': 'con ajuste fino',
  frozen: 'con características congeladas',
  'mean over folds, deviation #': 'media de las particiones, desviación #',
  'the published model was trained the same way, on all photographs': 'el modelo publicado se entrenó igual, con todas las fotografías',
  'negative log likelihood': 'log-verosimilitud negativa',
  'negative log likelihood, fine-tuned': 'log-verosimilitud negativa, con ajuste fino',
  'negative log likelihood, frozen': 'log-verosimilitud negativa, con características congeladas',
  'expected calibration error, # bins': 'error de calibración esperado, # intervalos',
  'expected calibration error, # bins, fine-tuned': 'error de calibración esperado, # intervalos, con ajuste fino',
  'expected calibration error, # bins, frozen': 'error de calibración esperado, # intervalos, con características congeladas',
  'each photograph classified by the network that did not train on it': 'cada fotografía la clasifica la red que no se entrenó con ella',
};
